// The packed package, built by each bundler as an app would have it built, and run in Chromium under the policy that the
// README asks for.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { launch, PATIENCE } from '../browser/chromium.mjs';
import { openSite } from '../browser/site.mjs';

const apps = fileURLToPath(new URL('../apps/', import.meta.url));
const built = join(apps, 'built/');
/** As the apps themselves would import it. */
const load = async (name) => import(pathToFileURL(createRequire(join(apps, 'package.json')).resolve(name)));
const run = (command, parameters, options) =>
  promisify(execFile)(command, parameters, { cwd: apps, ...options }).catch(({ message, stdout, stderr }) =>
    assert.fail(`${message}\n${stdout}\n${stderr}`),
  );

const ENTRIES = ['', '/react', '/vue', '/svelte', '/solid', '/testing'];
const TYPES = { js: 'text/javascript', mjs: 'text/javascript', css: 'text/css', html: 'text/html; charset=utf-8' };

let browser, site, page, complaints;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await rm(built, { recursive: true, force: true });
});
beforeEach(async () => {
  site = await openSite();
  page = await browser.newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
});
afterEach(async () => {
  await page.close();
  site.close();
});

/** Serves what a bundler has written, below `/app/`. */
async function serve(folder) {
  for (const name of await readdir(folder, { recursive: true })) {
    const type = TYPES[name.split('.').pop()];
    if (type !== undefined) site.files.set(`/app/${name}`, { type, body: await readFile(join(folder, name)) });
  }
}

const html = (script) => ({
  type: TYPES.html,
  body: `<!doctype html><title>app</title><p id="status"></p><script type="module" src="${script}"></script>`,
});

async function seesTheUser(address, requests = 1) {
  await page.goto(address);
  await page
    .waitForFunction(() => document.getElementById('status')?.textContent.trim() === 'authenticated Ada <b>', undefined, { timeout: PATIENCE })
    .catch(async (error) => assert.fail(`${error.message}\n${await page.content()}\n${complaints.join('\n')}`));
  assert.deepEqual(complaints, []);
  assert.equal(site.sessionRequests(), requests);
}

test('Vite', async () => {
  const { build } = await load('vite');
  const outDir = join(built, 'vite');
  await build({ root: join(apps, 'bundled'), base: '/app/', logLevel: 'error', configFile: false, build: { outDir, emptyOutDir: true } });
  await serve(outDir);
  await seesTheUser(`${site.origin}/app/index.html`);
});

test('webpack 5', async () => {
  const { default: webpack } = await load('webpack');
  const path = join(built, 'webpack');
  const stats = await promisify(webpack)({
    context: apps, mode: 'production', entry: './bundled/react.js', output: { path, filename: 'main.js' }, performance: { hints: false },
  });
  assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString());
  await serve(path);
  site.files.set('/app', html('/app/main.js'));
  await seesTheUser(`${site.origin}/app`);
});

test('Rollup', async () => {
  const { rollup } = await load('rollup');
  const { default: resolve } = await load('@rollup/plugin-node-resolve');
  const bundle = await rollup({
    input: join(apps, 'bundled/core.js'),
    plugins: [resolve({ browser: true })],
    onwarn: ({ message }) => assert.fail(message),
  });
  const dir = join(built, 'rollup');
  await bundle.write({ dir, format: 'es' });
  await serve(dir);
  site.files.set('/app', html('/app/core.js'));
  await seesTheUser(`${site.origin}/app`);
});

for (const format of ['esm', 'iife']) {
  test(`esbuild, as ${format}`, async () => {
    const { build } = await import('esbuild');
    const { outputFiles, warnings } = await build({
      entryPoints: [join(apps, 'bundled/react.js')], bundle: true, minify: true, format, define: { 'process.env.NODE_ENV': '"production"' }, write: false,
    });
    assert.deepEqual(warnings, []);
    site.files.set('/app.js', { type: TYPES.js, body: outputFiles[0].text });
    site.files.set('/app', html('/app.js'));
    await seesTheUser(`${site.origin}/app`);
  });
}

test('what is not imported is not bundled', async () => {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    stdin: { contents: "import { isUnauthorized } from '@authtool/client'; import '@authtool/client/react'; console.log(isUnauthorized(null));", resolveDir: apps },
    bundle: true, minify: true, format: 'esm', write: false,
  });
  assert.ok(outputFiles[0].text.length < 1_000, `${outputFiles[0].text.length} bytes`);
});

test('a plain module script, with no bundler at all', async () => {
  const client = await readFile(join(apps, 'node_modules/@authtool/client/dist/index.js'));
  const script = await readFile(join(apps, 'bundled/core.js'), 'utf8');
  site.files.set('/authtool.js', { type: TYPES.js, body: client });
  site.files.set('/app.js', { type: TYPES.js, body: script.replace("'@authtool/client'", "'/authtool.js'") });
  site.files.set('/app', html('/app.js'));
  await seesTheUser(`${site.origin}/app`);
});

test('Next.js renders it on the server, and hydrates it', async () => {
  const cwd = join(apps, 'next');
  const env = { ...process.env, AUTHTOOL_BFF_ORIGIN: site.origin, NEXT_TELEMETRY_DISABLED: '1' };
  const next = join(cwd, 'node_modules/next/dist/bin/next');
  await run(process.execPath, [next, 'build'], { cwd, env });
  const port = await freePort();
  const server = spawn(process.execPath, [next, 'start', '--port', String(port), '--hostname', '127.0.0.1'], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => server.once('exit', resolve));
  try {
    await new Promise((ready, failed) => {
      server.stdout.on('data', (chunk) => /Ready/.test(chunk) && ready());
      exited.then((code) => failed(new Error(`next start ended with ${code}`)));
    });
    const address = `http://127.0.0.1:${port}/`;
    const rendered = await (await fetch(address)).text();
    assert.match(rendered, /<p id="status">initialising undefined<\/p>/);
    assert.match(rendered, /<a id="login" href="\/bff\/login">/);
    await seesTheUser(address);
    assert.equal(await page.textContent('#email'), 'ada@example.com');
  } finally {
    server.kill();
    await exited;
  }
});

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('Node.js imports every entry and does nothing', async () => {
  const script = `
    globalThis.fetch = () => { throw new Error('a request'); };
    for (const entry of ${JSON.stringify(ENTRIES)}) console.log(entry, Object.keys(await import('@authtool/client' + entry)).length > 0);`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(stdout, ENTRIES.map((entry) => `${entry} true\n`).join(''));
  assert.equal(stderr, '');
});

test('Node.js requires every entry and gets the same as it imports', async () => {
  const script = `
    const same = async (entry) => {
      const required = Object.keys(require('@authtool/client' + entry)).sort().join();
      const imported = Object.keys(await import('@authtool/client' + entry)).sort().join();
      if (required !== imported) throw new Error(entry + ': ' + required + ' is not ' + imported);
    };
    (async () => { for (const entry of ${JSON.stringify(ENTRIES)}) await same(entry); })();`;
  await run(process.execPath, ['--input-type=commonjs', '--eval', script]);
});

test('Vitest with jsdom runs an app’s tests over the fake manager', async () => {
  await run(process.execPath, [join(apps, 'node_modules/vitest/vitest.mjs'), 'run', '--root', 'vitest', '--environment', 'jsdom'], {
    env: { ...process.env, NODE_ENV: 'test', CI: '1' },
  });
});
