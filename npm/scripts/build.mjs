// Builds dist/ from the Rust client and the TypeScript around it.
//
//   cargo build → wasm-bindgen → wasm-opt → names shortened → bytes into a string → esbuild → types
//
// Environment: WASM_BINDGEN (the command; default: from PATH), CARGO, CARGO_TARGET_DIR.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { toLatin1Literal } from './latin1.mjs';

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const workspace = resolve(npm, '..');
const target = resolve(workspace, process.env.CARGO_TARGET_DIR ?? 'target');
const core = join(npm, 'src/core');
const dist = join(npm, 'dist');
const bindgenOut = join(target, 'npm');

/**
 * What can be imported, by the name of its file in dist/. The first is the core; the others import it, but for the one that
 * has its WebAssembly in a file.
 */
const ENTRIES = {
  index: 'index.ts',
  react: 'react/index.ts',
  vue: 'vue/index.ts',
  svelte: 'svelte/index.ts',
  solid: 'solid/index.ts',
  testing: 'testing/index.ts',
  streaming: 'streaming/index.ts',
};

/** The app's own. */
const PEERS = ['react', 'vue', 'svelte', 'svelte/store', 'solid-js'];

// Named one by one: with all features, binaryen writes an import encoding that browsers refuse.
const WASM_FEATURES = [
  'bulk-memory',
  'nontrapping-float-to-int',
  'sign-ext',
  'mutable-globals',
  'reference-types',
  'multivalue',
];

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  try {
    return execFileSync(command, args, { cwd: workspace, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  } catch (error) {
    if (error.code === 'ENOENT') fail(`${command} was not found; install it, or put it on the PATH`);
    fail(`${command} ${args.join(' ')} failed`);
  }
}

/** The version of wasm-bindgen that the crate is built with: the command must be of the same. */
function lockedBindgenVersion() {
  const lock = readFileSync(join(workspace, 'Cargo.lock'), 'utf8');
  const version = /\nname = "wasm-bindgen"\nversion = "([^"]+)"/.exec(lock)?.[1];
  return version ?? fail('Cargo.lock names no wasm-bindgen');
}

function bindgenCommand() {
  const wanted = lockedBindgenVersion();
  const install = `cargo install wasm-bindgen-cli --version ${wanted}`;
  const command = process.env.WASM_BINDGEN || 'wasm-bindgen';
  let found;
  try {
    found = execFileSync(command, ['--version'], { encoding: 'utf8' }).trim().split(' ').pop();
  } catch {
    fail(`${command} cannot be run.\n  Install it with: ${install}\n  or name it in the environment variable WASM_BINDGEN.`);
  }
  if (found !== wanted) {
    fail(`${command} is of version ${found}, and the crate of version ${wanted}; they must be the same.\n  Install it with: ${install}`);
  }
  return command;
}

function buildWasm() {
  const bindgen = bindgenCommand();
  run(process.env.CARGO || 'cargo', [
    'build', '--quiet', '--package', 'authtool-client', '--profile', 'wasm',
    '--target', 'wasm32-unknown-unknown', '--features', 'standalone',
  ]);
  rmSync(bindgenOut, { recursive: true, force: true });
  run(bindgen, [
    '--target', 'bundler', '--remove-name-section', '--remove-producers-section',
    '--out-dir', bindgenOut, '--out-name', 'core',
    join(target, 'wasm32-unknown-unknown/wasm/authtool_client.wasm'),
  ]);
  const optimised = join(bindgenOut, 'core.opt.wasm');
  wasmOpt(join(bindgenOut, 'core_bg.wasm'), optimised, [
    '-Oz', '--converge',
    // Only now: wasm-bindgen reads the features from a section that goes here.
    '--strip-debug', '--strip-producers', '--strip-target-features',
  ]);
  // The names on both sides carry hashes, which do not compress. A pass of its own: repeated by `--converge` it
  // would print a map of each repetition.
  const names = wasmOpt(optimised, optimised, ['--minify-imports-and-exports-and-modules']);
  return { bytes: readFileSync(optimised), names: JSON.parse(names) };
}

function wasmOpt(input, output, passes) {
  const features = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  return run(process.execPath, [join(npm, 'node_modules/binaryen/bin/wasm-opt'), ...features, ...passes, '-o', output, input]);
}

/**
 * Parts of the glue, shorter. Those of wasm-bindgen save a copy of long strings, restart the decoder before an old Safari's
 * limit of two gigabytes, give memory back when an allocation throws (it traps), and let the garbage collector free what was
 * forgotten. The strings here are a few hundred bytes, a core is freed by the manager's `dispose`, and its one closure with it.
 */
const SHORTER = [
  [/^function passStringToWasm0\([^]*?^}$/m, `function passStringToWasm0(arg, malloc) {
    const bytes = cachedTextEncoder.encode(arg);
    const ptr = malloc(WASM_VECTOR_LEN = bytes.length, 1) >>> 0;
    getUint8ArrayMemory0().set(bytes, ptr);
    return ptr;
}`],
  [/^function getStringFromWasm0\([^]*?^}$/m, `function getStringFromWasm0(ptr, len) {
    ptr >>>= 0;
    return cachedTextDecoder.decode(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}`],
  [/^    __destroy_into_raw\(\) {[^]*?^    free\(\) {[^]*?(wasm\.\w+)\([^]*?^    }$/m, `    free() {
        $1(this.__wbg_ptr, 1);
    }`],
  [/^const CoreFinalization = [^]*?;$/m, ''],
  [/^ *CoreFinalization\.register\(.*\n/m, ''],
  [/^if \(Symbol\.dispose\) .*\n/m, ''],
  [/^const CLOSURE_DTORS = [^]*?;$/m, ''],
  [/^ *CLOSURE_DTORS\.unregister\(.*\n/m, ''],
  [/^ *CLOSURE_DTORS\.register\(.*\n/m, ''],
  [/^    try {\n([^]*?)^    } catch \(e\) {[^]*?throw e;\n    }$/m, '$1'],
];

/** The glue of wasm-bindgen, with the short names, and without the loading of a file. */
function shortenGlue({ imports, exports }) {
  let glue = readFileSync(join(bindgenOut, 'core_bg.js'), 'utf8');
  const short = new Map(exports.map(([long, name]) => [long, name]));
  glue = glue
    .replace(/^export function (__wb)/gm, 'function $1')
    .replace(/\bwasm\.([A-Za-z_$][\w$]*)/g, (whole, long) => {
      // Calls on exports that the optimiser found to be unused would be calls of nothing.
      if (!short.has(long)) fail(`the glue uses wasm.${long}, which the optimised module does not export`);
      return `wasm.${short.get(long)}`;
    });
  for (const [whole, shorter] of SHORTER) {
    if (!whole.test(glue)) fail(`the glue has nothing like ${whole} any more`);
    glue = glue.replace(whole, shorter);
  }
  glue = glue.replace(/(passStringToWasm0\(\w+, wasm\.\w+), wasm\.\w+\)/g, '$1)');
  const module = readModuleName();
  const members = imports.map(([, long, name]) => `${name}: ${long}`);
  // What needs no conversion, the module imports from the platform itself. Now that all comes from the one object, the glue must.
  const fromPlatform = imports.filter(([from]) => from.startsWith('./snippets/')).map(([, long]) => long);
  const importLine = /^import \{ (.*) \} from '\.\/snippets\/.*';$/m;
  if (!importLine.test(glue)) fail('the glue does not import the platform');
  glue = glue.replace(importLine, (_, named) => `import { ${[...new Set([...named.split(', '), ...fromPlatform])].join(', ')} } from './platform.js';`);
  const start = short.get('__wbindgen_start') ?? fail('the module does not export __wbindgen_start');
  // Importing the package must run on a server and in jsdom, which has no coders of text. (The whole glue as one function
  // that is called later would do as well, but costs the start-up a millisecond: engines parse it twice.)
  const coders = /^let cachedTextDecoder = (.*);\ncachedTextDecoder\.decode\(\);\n([^]*)^const cachedTextEncoder = (.*);\n\nif [^]*?^}\n/m;
  if (!coders.test(glue)) fail('the glue does not make its text coders where it used to');
  glue = glue.replace(coders, 'let cachedTextDecoder, cachedTextEncoder;\n$2');
  return `${glue}
export const imports = { ${module}: { ${members.join(', ')} } };
export function setExports(exports) {
  cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
  cachedTextEncoder = new TextEncoder();
  __wbg_set_wasm(exports);
  wasm.${start}();
}
`;
}

function readModuleName() {
  const module = new WebAssembly.Module(readFileSync(join(bindgenOut, 'core.opt.wasm')));
  const modules = new Set(WebAssembly.Module.imports(module).map((entry) => entry.module));
  if (modules.size !== 1) fail(`expected imports from one module, found ${[...modules].join(', ')}`);
  return [...modules][0];
}

function writeCore() {
  const { bytes, names } = buildWasm();
  mkdirSync(core, { recursive: true });
  const literal = toLatin1Literal(bytes);
  // The bytes are the program: make sure that they come back as they were.
  const back = Uint8Array.from(new Function(`return ${literal}`)(), (character) => character.charCodeAt(0));
  if (Buffer.compare(back, bytes) !== 0) fail('the inlined bytes do not decode to the module');
  writeFileSync(join(core, 'bytes.js'), `export default ${literal};\n`);
  writeFileSync(join(core, 'bytes.d.ts'), 'declare const bytes: string;\nexport default bytes;\n');
  writeFileSync(join(core, 'glue.js'), shortenGlue(names));
  copyFileSync(join(workspace, 'client-wasm/src/browser/platform.js'), join(core, 'platform.js'));
  writeFileSync(join(core, 'platform.d.ts'), `export declare const HEADERS: Readonly<Record<string, string>>;
export declare const askAhead: (url: string) => void;
`);
  // Without `[Symbol.dispose]`, which the library of es2022 does not know.
  const declared = readFileSync(join(bindgenOut, 'core.d.ts'), 'utf8').replace(/^.*\[Symbol\.dispose\].*\n/m, '');
  writeFileSync(join(core, 'glue.d.ts'), `${declared}
export const imports: WebAssembly.Imports;
export function setExports(exports: WebAssembly.Exports): void;
`);
  return { bytes, literal };
}

/**
 * esbuild would escape some of the bytes, so the string is put in after it: the bundle imports a placeholder.
 */
async function bundle(entry, format, extension, { literal }) {
  const PLACEHOLDER = '@@authtool-core@@';
  const core = entry === 'index';
  const result = await build({
    entryPoints: [join(npm, 'src', ENTRIES[entry])],
    bundle: true,
    format,
    target: 'es2022',
    // For `require` with a hint of the exports' names, by which Node.js can also import the file.
    platform: format === 'cjs' ? 'node' : 'neutral',
    charset: 'utf8',
    minify: true,
    write: false,
    external: PEERS,
    // CommonJS has no such thing, and the entry that asks for it says so.
    logOverride: { 'empty-import-meta': 'silent' },
    plugins: [{
      name: 'core',
      setup({ onLoad, onResolve }) {
        onLoad({ filter: /[\\/]core[\\/]bytes\.js$/ }, () => ({ contents: `export default ${JSON.stringify(PLACEHOLDER)};` }));
        // One copy of it, whatever else is imported.
        if (!core) onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: `./index.${extension}`, external: true }));
      },
    }],
  });
  const text = result.outputFiles[0].text;
  const parts = text.split(JSON.stringify(PLACEHOLDER));
  if (parts.length !== (core ? 2 : 1)) fail(`the placeholder for the bytes stands ${parts.length - 1} times in ${entry}`);
  writeFileSync(join(dist, `${entry}.${extension}`), parts.join(literal));
}

/** Declarations for `import`, and the same for `require`. */
function writeTypes() {
  run(process.execPath, [join(npm, 'node_modules/typescript/bin/tsc'), '--declaration', '--emitDeclarationOnly'], { cwd: npm, stdio: 'inherit' });
  // What no public declaration refers to is no part of the package.
  rmSync(join(dist, 'core'), { recursive: true, force: true });
  for (const name of ['address', 'browser', 'fetch', 'server', 'instantiate', 'require-login']) rmSync(join(dist, `${name}.d.ts`));
  for (const file of readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.d.ts'))) {
    const text = readFileSync(join(dist, file), 'utf8');
    const forRequire = text.replace(/(from '\.{1,2}\/[\w/-]+)\.js'/g, "$1.cjs'");
    writeFileSync(join(dist, file.replace(/\.d\.ts$/, '.d.cts')), forRequire);
  }
}

const made = writeCore();
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const entry of Object.keys(ENTRIES)) {
  await bundle(entry, 'esm', 'js', made);
  await bundle(entry, 'cjs', 'cjs', made);
}
writeFileSync(join(dist, 'authtool.wasm'), made.bytes);
writeTypes();
console.log(`built dist/ (WebAssembly: ${made.bytes.length} bytes)`);
