// Pages for the tests, bundled from test/apps, where the packed package is installed.
import { createRequire } from 'node:module';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const apps = fileURLToPath(new URL('../apps/', import.meta.url));

/** Where the packages of the other React are. */
const aliases = (react) =>
  react === 18 ? Object.fromEntries(['react', 'react-dom'].map((name) => [name, join(apps, 'react-18/node_modules', name)])) : {};

/** The text of a script for a browser. Not minified and in development mode: warnings are what the tests look for. */
export async function bundlePage(entry, { react, ...options } = {}) {
  const { outputFiles } = await build({
    entryPoints: [join(apps, entry)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    alias: aliases(react),
    write: false,
    ...options,
  });
  return outputFiles[0].text;
}

/** The exports of a script for a server. */
export async function loadServer(entry, { react, ...options } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'authtool-server-'));
  const outfile = join(folder, 'server.cjs');
  await writeFile(outfile, await bundlePage(entry, { react, format: 'cjs', platform: 'node', ...options }));
  try {
    return createRequire(import.meta.url)(outfile);
  } finally {
    await rm(folder, { recursive: true });
  }
}
