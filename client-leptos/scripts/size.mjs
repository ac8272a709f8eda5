// Prints how many bytes authtool adds to a Leptos app that the browser renders: the same app with and without it. Fails when
// that is more than the limit.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { buildWasm, workspace } from './wasm.mjs';

/** By brotli. */
const LIMIT = 34_000;

const WITHOUT = 'size_without';
const WITH = 'size_with';

function measure(name) {
  const folder = resolve(workspace, process.env.CARGO_TARGET_DIR ?? 'target', `leptos-size/${name}`);
  buildWasm(['--package', 'authtool-leptos', '--example', name], `examples/${name}.wasm`, folder);
  const sizes = { plain: 0, gzip: 0, brotli: 0 };
  for (const file of ['app.js', 'app_bg.wasm']) {
    const bytes = readFileSync(join(folder, file));
    sizes.plain += bytes.length;
    sizes.gzip += gzipSync(bytes, { level: 9 }).length;
    sizes.brotli += brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length;
  }
  return sizes;
}

const without = measure(WITHOUT);
const withIt = measure(WITH);
const row = (title, sizes) => console.log(`| ${title} | ${sizes.plain} | ${sizes.gzip} | ${sizes.brotli} |`);
console.log('| Leptos app (JavaScript and WebAssembly) | bytes | gzip | brotli |\n|---|---|---|---|');
row('without authtool', without);
row('with authtool', withIt);
const added = Object.fromEntries(Object.keys(without).map((kind) => [kind, withIt[kind] - without[kind]]));
row('added', added);
if (added.brotli > LIMIT) {
  console.error(`error: authtool adds ${added.brotli} bytes by brotli, and the limit is ${LIMIT}`);
  process.exit(1);
}
