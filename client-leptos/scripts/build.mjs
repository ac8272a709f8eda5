// Builds an example into its dist/:  node client-leptos/scripts/build.mjs leptos-csr
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { buildWasm, workspace } from './wasm.mjs';

const [name] = process.argv.slice(2);
const folder = join(workspace, 'examples', name ?? '');
if (name === undefined || !existsSync(join(folder, 'Cargo.toml'))) {
  console.error('usage: node client-leptos/scripts/build.mjs leptos-csr|leptos-ssr');
  process.exit(2);
}
const dist = join(folder, 'dist');
const crate = `authtool-example-${name}`;
// What a library hydrates, a program mounts.
const library = existsSync(join(folder, 'src/lib.rs'));
buildWasm(
  ['--package', crate, library ? '--lib' : '--bins'],
  library ? `${crate.replaceAll('-', '_')}.wasm` : `${crate}.wasm`,
  dist,
);
// A file rather than an inline script: the page's policy allows no other.
writeFileSync(join(dist, 'start.js'), `import start${library ? ', { hydrate }' : ''} from './app.js';\nawait start();\n${library ? 'hydrate();\n' : ''}`);
// The examples look alike.
copyFileSync(join(workspace, 'examples/vanilla/src/style.css'), join(dist, 'style.css'));
cpSync(join(workspace, 'examples/vanilla/public'), dist, { recursive: true });
for (const file of readdirSync(dist).filter((file) => /\.(js|wasm|css|svg)$/.test(file))) {
  const bytes = readFileSync(join(dist, file));
  writeFileSync(join(dist, `${file}.gz`), gzipSync(bytes, { level: 9 }));
  writeFileSync(join(dist, `${file}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
}
const size = statSync(join(dist, 'app_bg.wasm')).size;
if (!library) {
  // One app, and a page of it for each mode of the server.
  const app = `${dist}.app`;
  renameSync(dist, app);
  const page = readFileSync(join(folder, 'index.html'), 'utf8');
  for (const [mode, subfolder] of [['bff', 'bff'], ['tokenExchange', 'token-exchange']]) {
    mkdirSync(join(dist, subfolder), { recursive: true });
    cpSync(app, join(dist, subfolder), { recursive: true });
    writeFileSync(join(dist, subfolder, 'index.html'), page.replace('content="bff"', `content="${mode}"`));
  }
  rmSync(app, { recursive: true });
}
console.log(`built examples/${name}/dist (WebAssembly: ${size} bytes)`);
