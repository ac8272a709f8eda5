// The recipes of the README: compiled as they stand, and run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launch, PATIENCE } from '../browser/chromium.mjs';
import { SESSION, json, openSite } from '../browser/site.mjs';

const apps = fileURLToPath(new URL('../apps/', import.meta.url));
const folder = join(apps, 'built/recipes');
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const recipe = (name) => readme.split(`<!-- test: ${name} -->\n`)[1].replace(/^```.*\n/, '').split('```')[0];

const MAIN = `import { createRoot } from 'react-dom/client';
import { AuthtoolProvider } from '@authtool/client/react';
import { manager } from './auth';
import { App } from './app';
createRoot(document.getElementById('root')!).render(<AuthtoolProvider manager={manager}><App /></AuthtoolProvider>);
`;
const TSCONFIG = {
  compilerOptions: {
    target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'], module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx',
    strict: true, noEmit: true, skipLibCheck: true, types: [],
  },
  include: ['*.ts', '*.tsx'],
};
const PROVIDER = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<title>provider</title>');

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

for (const name of ['react-router', 'tanstack-router']) {
  describe(name, () => {
    let site, page, script;

    before(async () => {
      const here = join(folder, name);
      await mkdir(here, { recursive: true });
      const files = { 'auth.ts': recipe('auth'), 'app.tsx': recipe(name), 'main.tsx': MAIN, 'tsconfig.json': JSON.stringify(TSCONFIG) };
      for (const [file, content] of Object.entries(files)) await writeFile(join(here, file), content);
      execFileSync(process.execPath, [join(apps, 'node_modules/typescript/bin/tsc'), '--project', here], { stdio: ['ignore', 'inherit', 'inherit'] });
      const { outputFiles } = await build({
        entryPoints: [join(here, 'main.tsx')], bundle: true, format: 'esm', jsx: 'automatic', minify: true, write: false, logLevel: 'error',
        define: { 'process.env.NODE_ENV': '"production"' },
      });
      script = outputFiles[0].text;
    });
    beforeEach(async () => {
      site = await openSite();
      site.files.set('/app.js', { type: 'text/javascript', body: script });
      site.files.set('/account', { type: 'text/html; charset=utf-8', body: '<!doctype html><title>app</title><div id="root"></div><script type="module" src="/app.js"></script>' });
      page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE);
    });
    afterEach(async () => {
      await page.close();
      site.close();
    });

    test('the user sees the page, after one look at the session', async () => {
      await page.goto(`${site.origin}/account`);
      await page.getByRole('heading', { name: `Hello ${SESSION.name}` }).waitFor();
      assert.equal(site.sessionRequests(), 1);
    });

    test('a stranger leaves for the login, and would come back here', async () => {
      site.session = (_request, response) => json(response, 401, {});
      site.login = PROVIDER;
      await page.goto(`${site.origin}/account?tab=2`);
      await page.waitForURL(/\/bff\/login/);
      assert.equal(new URL(new URL(page.url()).searchParams.get('redirect_uri'), site.origin).href, `${site.origin}/account?tab=2`);
    });

    test('an outage, and logins that lead nowhere, end at the error page', async () => {
      site.session = (_request, response) => json(response, 503, {});
      await page.goto(`${site.origin}/account`);
      await page.getByText('Please try again later.').waitFor();
      site.session = (_request, response) => json(response, 401, {});
      site.login = (_request, response) => response.writeHead(303, { location: '/account' }).end();
      await page.goto(`${site.origin}/account`);
      await page.getByText('Please try again later.').waitFor();
    });
  });
}

test('the recipe for tests compiles', async () => {
  const here = join(folder, 'testing');
  await mkdir(here, { recursive: true });
  await writeFile(join(here, 'test.tsx'), `declare const render: (element: JSX.Element) => void;\ndeclare const Header: () => JSX.Element;\nimport type { JSX } from 'react';\n${recipe('testing')}`);
  await writeFile(join(here, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  execFileSync(process.execPath, [join(apps, 'node_modules/typescript/bin/tsc'), '--project', here], { stdio: ['ignore', 'inherit', 'inherit'] });
});
