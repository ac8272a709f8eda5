// Prints what an app downloads for each entry, and fails when it is more than the limit.
//
// Measured is what a bundler makes of `import * as authtool from '@authtool/client'`: glue, WebAssembly and all. Of the other
// entries, what they add to it; the framework itself is the app's.
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** By brotli. */
const LIMIT = 15_500;
const BINDING_LIMIT = 2_000;

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');

async function measure(entries) {
  const { outputFiles } = await build({
    stdin: {
      contents: entries.map((entry) => `export * as ${entry} from ${JSON.stringify(join(npm, `dist/${entry}.js`))};`).join('\n'),
      resolveDir: npm,
    },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    minify: true,
    write: false,
    external: ['react', 'vue', 'svelte', 'svelte/store', 'solid-js'],
    logLevel: 'error',
  });
  const bundle = Buffer.from(outputFiles[0].contents);
  return {
    raw: bundle.length,
    gzip: gzipSync(bundle, { level: 9 }).length,
    brotli: brotliCompressSync(bundle, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
}

function report(name, { brotli, ...others }, limit) {
  const sizes = Object.entries({ ...others, brotli }).map(([format, size]) => `${format} ${size} B`);
  console.log(`${name}, minified: ${sizes.join(', ')} (limit: brotli ${limit} B)`);
  if (brotli <= limit) return;
  console.error(`error: ${name} is ${brotli - limit} B over its limit`);
  process.exitCode = 1;
}

const core = await measure(['index']);
report('core entry', core, LIMIT);
for (const entry of ['react', 'vue', 'svelte', 'solid']) {
  const both = await measure(['index', entry]);
  const added = Object.fromEntries(Object.entries(both).map(([format, size]) => [format, size - core[format]]));
  report(`${entry} entry, beside the core`, added, BINDING_LIMIT);
}
