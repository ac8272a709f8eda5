// Prints what an app downloads for the core entry, and fails when it is more than the limit.
//
// Measured is what a bundler makes of `import * as authtool from '@authtool/client'`: glue, WebAssembly and all.
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT = 15_500;

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { outputFiles } = await build({
  stdin: {
    contents: `export * from ${JSON.stringify(join(npm, 'dist/index.js'))};`,
    resolveDir: npm,
  },
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  minify: true,
  write: false,
});
const bundle = Buffer.from(outputFiles[0].contents);
const sizes = {
  raw: bundle.length,
  gzip: gzipSync(bundle, { level: 9 }).length,
  brotli: brotliCompressSync(bundle, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
};
console.log(`core entry, minified: ${Object.entries(sizes).map(([name, size]) => `${name} ${size} B`).join(', ')} (limit: brotli ${LIMIT} B)`);
if (sizes.brotli > LIMIT) {
  console.error(`error: the core entry is ${sizes.brotli - LIMIT} B over its limit`);
  process.exit(1);
}
