// What the documentation shows compiles, against the packed package and the real frameworks; and the OpenAPI document is one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const apps = fileURLToPath(new URL('../apps/', import.meta.url));
const folder = join(apps, 'built/documentation');
const require = createRequire(join(apps, 'package.json'));

const TSCONFIG = {
  compilerOptions: {
    target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'], module: 'esnext', moduleResolution: 'bundler', moduleDetection: 'force', jsx: 'react-jsx',
    allowJs: true, strict: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: true, types: [],
    paths: { next: ['../../next/node_modules/next'], 'next/*': ['../../next/node_modules/next/*'] },
  },
  include: ['**/*.ts', '**/*.tsx', '**/*.mjs', '**/*.js', '**/*.jsx'],
};
/** What the pages take for granted. */
const AMBIENT = `declare const process: { env: Record<string, string | undefined> };
declare module '*.vue' { const component: import('vue').Component; export default component; }
declare module '@vitejs/plugin-react' { const react: () => import('vite').Plugin; export default react; }
declare module './app.js' { const start: () => Promise<unknown>; export default start; export const hydrate: () => void; }
`;

/** The blocks of a page: the language, the text, and the file's name, which is in a comment on the first line. */
function blocks(page, text) {
  return [...text.matchAll(/^( *)```(\w+)(?:,(tsx|jsx|vue|svelte))?[^\n]*\n([\s\S]*?)^ *```$/gm)].map(([, indent, general, special, code], index) => {
    const language = special ?? general;
    const content = code.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const name = content.match(/^(?:\/\/|<!--) ([\w./-]+\.\w+)/)?.[1];
    return { page, language, content, name: name ?? `block-${index}.${language}` };
  });
}

async function pages(path) {
  const entries = await readdir(path, { withFileTypes: true });
  const found = await Promise.all(entries.map((entry) => (entry.isDirectory() ? pages(join(path, entry.name)) : [join(path, entry.name)])));
  return found.flat().filter((file) => file.endsWith('.md'));
}

let all;
before(async () => {
  const files = await pages(join(root, 'docs'));
  all = (await Promise.all(files.map(async (file) => blocks(relative(root, file), await readFile(file, 'utf8'))))).flat();
});
after(() => rm(folder, { recursive: true, force: true }));

test('every block of TypeScript and JavaScript in the documentation compiles', async () => {
  const scripts = all.filter(({ language }) => ['ts', 'tsx', 'js', 'jsx'].includes(language));
  assert.ok(scripts.length > 12, `only ${scripts.length} blocks were found`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'ambient.d.ts'), AMBIENT);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  for (const { page, name, language, content } of scripts) {
    const file = join(folder, page.replace(/\.md$/, ''), name);
    await mkdir(dirname(file), { recursive: true });
    // Solid's elements are not React's.
    const pragma = content.includes('@authtool/client/solid') ? '/** @jsxImportSource solid-js */ ' : '';
    await writeFile(file, pragma + content);
    assert.ok(file.endsWith(`.${language}`) || file.endsWith('.mjs'), `${page}: ${name} is not ${language}`);
  }
  execFileSync(process.execPath, [join(apps, 'node_modules/typescript/bin/tsc'), '--project', folder, '--pretty', 'false'], { stdio: ['ignore', 'inherit', 'inherit'] });
});

test('the OpenAPI document is valid, and every reference in it leads somewhere', async () => {
  const { Validator } = await import(pathToFileURL(require.resolve('@seriousme/openapi-schema-validator')));
  const file = join(root, 'docs/reference/openapi.json');
  const validator = new Validator();
  const { valid, errors } = await validator.validate(file);
  assert.ok(valid, JSON.stringify(errors, null, 2));
  assert.equal(validator.version, '3.1');
  const document = JSON.parse(await readFile(file, 'utf8'));
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path);
  assert.ok(references.length > 10);
  for (const path of references) assert.ok(path.split('/').reduce((place, key) => place?.[key], document), path);
});

test('every Vue and Svelte component in the documentation compiles', async () => {
  const vue = require('vue/compiler-sfc');
  const svelte = require('svelte/compiler');
  const components = all.filter(({ language }) => ['vue', 'svelte'].includes(language));
  assert.ok(components.length > 1);
  for (const { page, name, language, content } of components) {
    if (language === 'svelte') {
      assert.deepEqual(svelte.compile(content, { filename: name, generate: 'client' }).warnings.map(({ message }) => message), [], page);
      continue;
    }
    const { descriptor, errors } = vue.parse(content, { filename: name });
    assert.deepEqual(errors, [], page);
    const { bindings } = vue.compileScript(descriptor, { id: 'page' });
    const template = vue.compileTemplate({ id: 'page', filename: name, source: descriptor.template.content, compilerOptions: { bindingMetadata: bindings } });
    assert.deepEqual(template.errors, [], page);
  }
});
