// Prints what an app downloads for each entry, beside the libraries that it would use instead, and fails when an entry is more
// than its limit. With `--json`, for programs.
//
// Measured is what a bundler makes of `import * as library from '…'`: glue, WebAssembly and all. Of a binding, what it adds to
// the core; a framework itself is the app's.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** By brotli. The core stays below oidc-client-ts, the smallest of those that do as much. */
const LIMIT = 15_500;
const BINDING_LIMIT = 2_000;

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const FRAMEWORKS = ['react', 'vue', 'svelte', 'svelte/store', 'solid-js'];

/** Libraries of test/size. */
const OTHERS = ['keycloak-js', '@auth0/auth0-spa-js', 'oidc-client-ts', 'react-oidc-context', '@axa-fr/oidc-client'];

const sizesOf = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
});

async function measure(modules, resolveDir = npm) {
  const { outputFiles } = await build({
    stdin: {
      contents: modules.map((module, index) => `export * as library${index} from ${JSON.stringify(module)};`).join('\n'),
      resolveDir,
    },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    minify: true,
    write: false,
    external: FRAMEWORKS,
    logLevel: 'error',
  });
  return sizesOf(Buffer.from(outputFiles[0].contents));
}

const combine = (one, other, how) => Object.fromEntries(Object.entries(one).map(([format, size]) => [format, how(size, other[format])]));
const entry = (name) => join(npm, `dist/${name}.js`);

const rows = [];
const report = (name, sizes, limit) => rows.push({ name, ...sizes, limit });

const core = await measure([entry('index')]);
report('@authtool/client', core, LIMIT);
for (const name of ['react', 'vue', 'svelte', 'solid']) {
  const both = await measure([entry('index'), entry(name)]);
  report(`  ./${name}, beside it`, combine(both, core, (sum, one) => sum - one), BINDING_LIMIT);
}
const file = sizesOf(readFileSync(join(npm, 'dist/authtool.wasm')));
report('  ./streaming, with its file', combine(await measure([entry('streaming')]), file, (script, wasm) => script + wasm), LIMIT);

const folder = join(npm, 'test/size');
if (!existsSync(join(folder, 'node_modules'))) {
  console.error('error: the libraries to compare with are missing; install them with: npm ci --prefix test/size');
  process.exit(1);
}
for (const name of OTHERS) {
  const { version } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));
  report(`${name} ${version}`, await measure([name], folder));
}

if (process.argv.includes('--json')) {
  console.log(JSON.stringify(rows));
} else {
  const line = (name, ...columns) => console.log(name.padEnd(32) + columns.map((column) => String(column ?? '').padStart(9)).join(''));
  line('minified, bytes', 'raw', 'gzip', 'brotli', 'limit');
  for (const { name, raw, gzip, brotli, limit } of rows) line(name, raw, gzip, brotli, limit);
}
for (const { name, brotli, limit } of rows.filter(({ brotli, limit }) => brotli > limit)) {
  console.error(`error: ${name.trim()} is ${brotli - limit} B over its limit`);
  process.exitCode = 1;
}
