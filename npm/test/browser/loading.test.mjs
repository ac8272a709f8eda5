// The ways in which the WebAssembly gets into a page, and in which it does not.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, PATIENCE } from './chromium.mjs';
import { SESSION, json } from './site.mjs';

const file = (name) => readFile(new URL(`../../dist/${name}`, import.meta.url));

let browser, context, page, site;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A page with one of the entries, and the `.wasm` beside it, as `site.wasm` answers it. */
async function openSite() {
  const answers = { policy: "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'", type: 'application/wasm', status: 200, held: undefined, asked: [] };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    answers.asked.push(pathname);
    if (pathname === '/bff/session') return json(response, 200, SESSION);
    if (pathname.endsWith('.js')) return response.writeHead(200, { 'content-type': 'text/javascript' }).end(await file(pathname.slice(1)));
    if (pathname.endsWith('.wasm')) {
      const bytes = await file('authtool.wasm');
      await answers.held;
      return response.writeHead(answers.status, { 'content-type': answers.type }).end(bytes);
    }
    return response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': `default-src 'none'; connect-src 'self'; ${answers.policy}` }).end(
      `<!doctype html><title>loading</title><script type="module">import * as authtool from '${pathname}.js'; window.authtool = authtool;</script>`,
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(answers, {
    origin: `http://localhost:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  });
}

beforeEach(async () => {
  site = await openSite();
  context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  site.close();
});

async function open(entry) {
  await page.goto(`${site.origin}/${entry}`);
  await page.waitForFunction(() => window.authtool);
}

test('a file that is on its way keeps nobody waiting for a manager and its addresses', async () => {
  let release;
  site.held = new Promise((resolve) => (release = resolve));
  await open('streaming');
  const early = await page.evaluate(() => {
    window.manager = window.authtool.init({ baseUrl: 'bff/', mode: 'tokenExchange' });
    window.pending = Promise.all([window.manager.start(), window.manager.getSession(), window.manager.check()]);
    const { baseUrl, state, client } = window.manager;
    return [baseUrl, state.status, client.loginUrl('/x').search, client.logoutUrl().pathname];
  });
  assert.deepEqual(early, ['/bff', 'initialising', `?redirect_uri=${encodeURIComponent(`${site.origin}/x`)}`, '/bff/logout']);
  assert.ok(!site.asked.includes('/bff/session'));
  release();
  assert.deepEqual(await page.evaluate(() => window.pending.then(([state, session]) => [state.status, session.user.email])), ['authenticated', SESSION.email]);
});

test('two managers load one file', async () => {
  await open('streaming');
  assert.deepEqual(
    await page.evaluate(async () => {
      const managers = [window.authtool.init({ baseUrl: '/bff' }), window.authtool.init({ baseUrl: '/bff' })];
      await Promise.all(managers.map((manager) => manager.start()));
      managers.push(window.authtool.init({ baseUrl: '/bff' }));
      await managers[2].start();
      return managers.map(({ state }) => state.status);
    }),
    ['authenticated', 'authenticated', 'authenticated'],
  );
  assert.equal(site.asked.filter((path) => path === '/authtool.wasm').length, 1);
});

test('a server that does not know the media type is no failure, and the file may be elsewhere', async () => {
  site.type = 'application/octet-stream';
  await open('streaming');
  assert.equal(await page.evaluate(() => window.authtool.init({ baseUrl: '/bff', wasm: '/assets/other.wasm' }).start().then(({ status }) => status)), 'authenticated');
  assert.ok(site.asked.includes('/assets/other.wasm'));
});

test('a file that is missing is an outage that says why, and can be tried again', async () => {
  site.status = 404;
  await open('streaming');
  const failed = await page.evaluate(async () => {
    window.manager = window.authtool.init({ baseUrl: '/bff', mode: 'tokenExchange' });
    const events = [];
    window.manager.on('unavailable', () => events.push('unavailable'));
    await window.manager.start();
    const { status, error } = window.manager.state;
    const token = await window.manager.getAccessToken().catch(({ code }) => code);
    return [status, error.code, String(error.cause), token, events.join()];
  });
  assert.deepEqual(failed, ['unavailable', 'load_failed', 'Error: authtool.wasm: status 404', 'load_failed', 'unavailable']);
  site.status = 200;
  assert.equal(await page.evaluate(() => window.manager.check().then(({ status }) => status)), 'authenticated');
});

test('a policy that forbids WebAssembly is named, and the least that permits it', async () => {
  site.policy = "script-src 'self' 'unsafe-inline'";
  await open('streaming');
  const message = await page.evaluate(async () => {
    const manager = window.authtool.init({ baseUrl: '/bff' });
    await manager.start();
    return manager.state.error.message;
  });
  assert.match(message, /Content-Security-Policy needs script-src 'wasm-unsafe-eval'/);
});

test('a manager that is disposed of while it loads asks nobody', async () => {
  await open('streaming');
  const outcome = await page.evaluate(async () => {
    const manager = window.authtool.init({ baseUrl: '/bff', mode: 'tokenExchange' });
    const token = manager.getAccessToken().catch(({ code }) => code);
    manager.dispose();
    await manager.start();
    return [manager.state.status, await token];
  });
  assert.deepEqual(outcome, ['initialising', 'inactive']);
  assert.ok(!site.asked.includes('/bff/session'));
});

test('where nothing of this length is compiled at once, the default entry does it in its own time', async () => {
  await context.addInitScript(() => {
    const { Module } = WebAssembly;
    WebAssembly.Module = function (bytes) {
      if (bytes.byteLength > 4096) throw new RangeError('WebAssembly.Compile is disallowed on the main thread, if the buffer size is larger than 4KB.');
      return new Module(bytes);
    };
  });
  await open('index');
  const seen = await page.evaluate(async () => {
    const first = window.authtool.init({ baseUrl: '/bff' });
    const second = window.authtool.init({ baseUrl: '/bff' });
    const early = [first.state.status, first.client.loginUrl('/x').pathname];
    const sessions = await Promise.all([first.getSession(), second.getSession()]);
    const third = window.authtool.init({ baseUrl: '/bff' });
    return [...early, ...sessions.map(({ user }) => user.email), (await third.start()).status];
  });
  assert.deepEqual(seen, ['initialising', '/bff/login', SESSION.email, SESSION.email, 'authenticated']);
});

test('the session is asked for before anything is compiled, and once by each manager', async () => {
  await context.addInitScript(() => {
    window.order = [];
    const { fetch } = window;
    const { Module } = WebAssembly;
    window.fetch = (...request) => (window.order.push(request[0]), fetch(...request));
    WebAssembly.Module = function (bytes) {
      window.order.push('compile');
      return new Module(bytes);
    };
  });
  await open('index');
  const order = await page.evaluate(async () => {
    const first = window.authtool.init({ baseUrl: '/bff' });
    await first.getSession();
    await first.check();
    const second = window.authtool.init({ baseUrl: '/' });
    await second.start();
    const third = window.authtool.init({ baseUrl: '/bff', autostart: false });
    window.order.push('started');
    await third.start();
    return window.order;
  });
  assert.deepEqual(order, ['/bff/session', 'compile', '/bff/session', '/session', 'started', '/bff/session']);
});

test('an answer from before the core was there is nobody’s, since no other tab was heard', async () => {
  await context.addInitScript(() => {
    const { instantiate } = WebAssembly;
    WebAssembly.Module = function () {
      throw new RangeError('WebAssembly.Compile is disallowed on the main thread');
    };
    WebAssembly.instantiate = async (...module) => {
      await fetch('/bff/session-is-answered-by-now');
      return instantiate(...module);
    };
  });
  await open('index');
  await page.evaluate(() => window.authtool.init({ baseUrl: '/bff' }).getSession());
  assert.equal(site.asked.filter((path) => path === '/bff/session').length, 2);
});
