// The bindings for Vue, Svelte and Solid: their examples, built by Vite with the packed package and run in Chromium; and what
// they render on a server.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, afterEach, before, describe, beforeEach, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch, PATIENCE, watch } from '../browser/chromium.mjs';
import { SESSION, json, openSite } from '../browser/site.mjs';

const apps = fileURLToPath(new URL('../apps/', import.meta.url));
const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const TYPES = { js: 'text/javascript', css: 'text/css', html: 'text/html; charset=utf-8', svg: 'image/svg+xml' };
const nobody = (_request, response) => json(response, 401, { code: 'no_session' });
const provider = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<title>provider</title>');

/** A file of each example, replaced by one that requires a login. */
const GUARDED = {
  vue: ['src/App.vue', `<script setup>
    import { RequireAuth } from '@authtool/client/vue';
    </script>
    <template>
      <RequireAuth :login="{ redirectUri: '/back' }"><h1>inside</h1><template #fallback="{ status, error }"><p id="fallback">{{ error?.code ?? status }}</p></template></RequireAuth>
      <RequireAuth>also inside</RequireAuth>
    </template>`],
  svelte: ['src/App.svelte', `<script>
    import { setAuthtool } from '@authtool/client/svelte';
    import Inside from './Inside.svelte';
    setAuthtool({ baseUrl: '/bff' });
    </script>
    <Inside />`, 'src/Inside.svelte', `<script>
    import { requireAuth } from '@authtool/client/svelte';
    const { session, state } = requireAuth({ redirectUri: '/back' });
    </script>
    {#if $session}<h1>inside</h1>{:else}<p id="fallback">{$state.error?.code ?? $state.status}</p>{/if}`],
  solid: ['src/app.jsx', `import { RequireAuth, useAuthtool } from '@authtool/client/solid';
    const Wait = () => { const { state } = useAuthtool(); return <p id="fallback">{state().error?.code ?? state().status}</p>; };
    export const App = () => <><RequireAuth login={{ redirectUri: '/back' }} fallback={<Wait />}><h1>inside</h1></RequireAuth><RequireAuth>also inside</RequireAuth></>;`],
};

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const name of ['vue', 'svelte', 'solid']) {
  describe(name, () => {
    // Inside of `apps`, so that the packages are found that are installed there.
    const folder = join(apps, `built/${name}`);
    const guarded = join(apps, `built/${name}-guarded`);
    let site, context, page, complaints;

    before(async () => {
      for (const copy of [folder, guarded]) {
        await rm(copy, { recursive: true, force: true });
        await cp(join(examples, name), copy, { recursive: true, filter: (path) => !/node_modules|dist$|package/.test(path) });
      }
      const [...replaced] = GUARDED[name];
      while (replaced.length > 0) await writeFile(join(guarded, replaced.shift()), replaced.shift());
      // Of its own, because the plugins of two frameworks do not share a process well.
      for (const [copy, base] of [[folder, '/app/'], [guarded, '/guarded/']]) {
        execFileSync(process.execPath, [join(apps, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn', '--base', base], { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });
      }
    });
    after(() => Promise.all([folder, guarded].map((copy) => rm(copy, { recursive: true, force: true }))));

    beforeEach(async () => {
      site = await openSite();
      for (const [copy, base] of [[folder, '/app/'], [guarded, '/guarded/']]) {
        for (const file of await readdir(join(copy, 'dist'), { recursive: true })) {
          const type = TYPES[file.split('.').pop()];
          if (type) site.files.set(base + file, { type, body: await readFile(join(copy, 'dist', file)) });
        }
      }
      context = await browser.newContext();
      context.setDefaultTimeout(PATIENCE);
      page = await context.newPage();
      complaints = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type()) && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
      });
    });
    afterEach(async () => {
      await context.close();
      site.close();
      assert.deepEqual(complaints, []);
    });

    const logins = () => site.requests.filter(({ url }) => url.startsWith('/bff/login'));

    test('the example shows the user after one request, and logs out', async () => {
      await page.goto(`${site.origin}/app/index.html`);
      await page.getByRole('heading', { name: `Hello, ${SESSION.name}.` }).waitFor();
      await page.getByText(SESSION.email).waitFor();
      assert.equal(site.sessionRequests(), 1);
      await Promise.all([page.waitForRequest(/\/bff\/logout$/), page.getByRole('button', { name: 'Log out' }).click()]);
    });

    test('the example shows a stranger the way to the login', async () => {
      site.session = nobody;
      site.login = provider;
      await page.goto(`${site.origin}/app/index.html`);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL(/\/bff\/login/);
      assert.equal(new URL(page.url()).searchParams.get('redirect_uri'), '/app/index.html');
    });

    test('an outage keeps the user, and is told', async () => {
      await page.goto(`${site.origin}/app/index.html`);
      await page.getByRole('button', { name: 'Log out' }).waitFor();
      site.session = (_request, response) => json(response, 503, {}, { 'retry-after': '1' });
      await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
      await page.getByText('The login server does not answer').waitFor();
      await page.getByRole('heading', { name: `Hello, ${SESSION.name}.` }).waitFor();
    });

    test('a logout elsewhere is shown here', async () => {
      await page.goto(`${site.origin}/app/index.html`);
      await page.getByRole('button', { name: 'Log out' }).waitFor();
      const other = await context.newPage();
      await other.goto(page.url());
      await Promise.all([other.waitForRequest(/\/bff\/logout$/), other.getByRole('button', { name: 'Log out' }).click()]);
      await page.getByRole('heading', { name: 'Nobody is logged in.' }).waitFor();
    });

    test('a guard shows the page to the user, and leads a stranger to the login, once', async () => {
      await page.goto(`${site.origin}/guarded/index.html`);
      await page.getByRole('heading', { name: 'inside' }).waitFor();
      assert.equal(logins().length, 0);
      site.session = nobody;
      site.login = provider;
      await page.goto(`${site.origin}/guarded/index.html`);
      await page.waitForURL(/\/bff\/login/);
      assert.equal(logins().length, 1);
      assert.equal(new URL(page.url()).searchParams.get('redirect_uri'), `${site.origin}/back`);
    });

    test('a guard does not go round for ever', async () => {
      site.session = nobody;
      site.login = (_request, response) => response.writeHead(303, { location: '/guarded/index.html' }).end();
      const isShown = await watch(page, 'fallback', 'login_loop');
      await page.goto(`${site.origin}/guarded/index.html`);
      await isShown();
      assert.equal(logins().length, 2);
      assert.equal(await page.getByRole('heading', { name: 'inside' }).count(), 0);
    });
  });
}

const require = createRequire(join(apps, 'package.json'));
const load = async (name) => import(pathToFileURL(require.resolve(name)));

test('on a server, Vue renders what the browser renders first', async () => {
  const { createSSRApp, h } = await load('vue');
  const { renderToString } = await load('vue/server-renderer');
  const { Authenticated, createAuthtool, useAuthtool } = await load('@authtool/client/vue');
  const Status = { setup: () => { const { status } = useAuthtool(); return () => status.value; } };
  const app = createSSRApp(() => [h(Status), h(Authenticated, null, { default: () => 'inside', fallback: ({ status }) => `: ${status}` })]);
  assert.match(await renderToString(app.use(createAuthtool({ baseUrl: '/bff' }))), /initialising.*: initialising/);
});

test('without the plugin, Vue’s error says what to do', async () => {
  const { createSSRApp } = await load('vue');
  const { renderToString } = await load('vue/server-renderer');
  const { useAuthtool } = await load('@authtool/client/vue');
  const app = createSSRApp({ setup: () => { useAuthtool(); return () => ''; } });
  app.config.warnHandler = () => {};
  await assert.rejects(renderToString(app), /authtool: the plugin is not installed; add app\.use\(createAuthtool/);
});

test('on a server, Solid renders what the browser renders first', async () => {
  const { createComponent } = await load('solid-js');
  const { renderToString } = await load('solid-js/web');
  const { Authenticated, AuthtoolProvider, useAuthtool } = await load('@authtool/client/solid');
  const Status = () => useAuthtool().status();
  const html = renderToString(() =>
    createComponent(AuthtoolProvider, {
      baseUrl: '/bff',
      get children() {
        return createComponent(Authenticated, { children: 'inside', get fallback() { return createComponent(Status, {}); } });
      },
    }),
  );
  assert.equal(html, 'initialising');
});

test('on a server, Svelte renders what the browser renders first', async () => {
  const { compile } = require('svelte/compiler');
  const folder = join(apps, 'built/svelte-server');
  await mkdir(folder, { recursive: true });
  try {
    const source = await readFile(join(examples, 'svelte/src/App.svelte'), 'utf8');
    const { js } = compile(source.replace('{#if $user}', '{$status}{#if $user}'), { generate: 'server', filename: 'App.svelte' });
    await writeFile(join(folder, 'app.mjs'), js.code);
    await writeFile(join(folder, 'main.mjs'), "import { render } from 'svelte/server';\nimport App from './app.mjs';\nexport const { body } = render(App);\n");
    const { body } = await import(pathToFileURL(join(folder, 'main.mjs')));
    assert.match(body, /initialising/);
    assert.doesNotMatch(body, /button/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
