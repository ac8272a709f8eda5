// The built package in a real browser, against a real server. CHROMIUM names the browser.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';

import { PATIENCE } from './chromium.mjs';
import { SESSION, json, openSite } from './site.mjs';

let browser, context, page, site, complaints;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    // Playwright switches the back/forward cache off; what it does is ours to test.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

beforeEach(async () => {
  site = await openSite();
  context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
  page = await open();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterEach(async () => {
  await context.close();
  site.close();
  assert.deepEqual(complaints, [], 'the page reported errors');
});

async function open() {
  return context.newPage();
}

const settled = (where = page) =>
  where.waitForFunction(() => window.manager && window.manager.state.status !== 'initialising');
const state = (where = page) =>
  where.evaluate(() => {
    const { status, session, error } = window.manager.state;
    return { status, session, error: error && { code: error.code, status: error.status, correlationId: error.correlationId } };
  });
const until = (status, where = page) =>
  where.waitForFunction((wanted) => window.manager?.state.status === wanted, status);

test('somebody who is logged in is seen, with claims and the session’s end', async () => {
  const before = Date.now();
  await page.goto(site.origin);
  await settled();
  const { status, session, error } = await state();
  assert.equal(status, 'authenticated');
  assert.equal(error, null);
  assert.deepEqual(session.user, { email: SESSION.email, name: SESSION.name });
  // Counted from when the answer came, to the second.
  const answered = session.expiresAt - 3_600_000;
  assert.ok(answered > before - 1_000 && answered < Date.now() + 1_000, String(session.expiresAt));
  assert.deepEqual(await page.evaluate(() => [window.seen, window.events]), [['initialising', 'authenticated'], ['login']]);
});

test('the check carries the custom header and the cookie, and asks no cache', async () => {
  await context.addCookies([{ name: 'session_id', value: 'x', url: site.origin, sameSite: 'Strict' }]);
  await page.goto(site.origin);
  await settled();
  const { headers, method } = site.requests[0];
  assert.equal(method, 'GET');
  assert.equal(headers['x-authtool-csrf'], '1');
  assert.equal(headers.accept, 'application/json');
  assert.equal(headers.cookie, 'session_id=x');
  assert.equal(headers['sec-fetch-site'], 'same-origin');
  assert.equal(headers['cache-control'], 'no-cache');
});

test('a 401 means that nobody is logged in', async () => {
  site.session = (_request, response) => json(response, 401, { code: 'no_session' });
  await page.goto(site.origin);
  await settled();
  assert.deepEqual(await state(), { status: 'unauthenticated', session: null, error: null });
  assert.deepEqual(
    await page.evaluate(() =>
      window.manager.getSession().then(
        () => 'resolved',
        (error) => [error.name, error.code, error.status, window.authtool.isUnauthorized(error)],
      ),
    ),
    ['AuthtoolError', 'unauthorized', 401, true],
  );
});

for (const [name, answer, expected] of [
  ['403', (response) => json(response, 403, {}), { code: 'server', status: 403 }],
  ['429', (response) => json(response, 429, {}), { code: 'server', status: 429 }],
  ['503', (response) => json(response, 503, {}, { 'x-correlation-id': 'c-7' }), { code: 'server', status: 503, correlationId: 'c-7' }],
  ['a redirect to a login page', (response) => response.writeHead(302, { location: '/login.html' }).end(), { code: 'network' }],
  ['HTML with status 200', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<form>'), { code: 'protocol', status: 200 }],
  ['JSON that breaks off', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"session":'), { code: 'protocol', status: 200 }],
  ['JSON null', (response) => json(response, 200, null), { code: 'protocol', status: 200 }],
  ['a JSON array', (response) => json(response, 200, []), { code: 'protocol', status: 200 }],
  ['JSON without a session', (response) => json(response, 200, { email: 'x' }), { code: 'protocol', status: 200 }],
  ['a body without end', (response) => flood(response), { code: 'protocol', status: 200 }],
  ['a connection that breaks', (response) => response.destroy(), { code: 'network' }],
  ['a body that breaks off', (response) => { response.writeHead(200, { 'content-type': 'application/json', 'content-length': '99' }).write('{'); setTimeout(() => response.destroy(), 50); }, { code: 'network' }],
]) {
  test(`${name} is unavailable, not unauthenticated, and leads nowhere`, async () => {
    site.session = (_request, response) => answer(response);
    await page.goto(site.origin);
    await settled();
    const { status, session, error } = await state();
    assert.equal(status, 'unavailable');
    assert.equal(session, null);
    assert.deepEqual(error, { status: undefined, correlationId: undefined, ...expected });
    assert.equal(page.url(), `${site.origin}/`);
    const rejection = await page.evaluate(() => window.manager.getSession().catch((error) => [error.code, window.authtool.isUnauthorized(error)]));
    assert.deepEqual(rejection, [expected.code, false]);
  });
}

/** 64 KiB and on, until the client lets go. */
function flood(response) {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.on('error', () => {});
  const pour = () => {
    while (!response.destroyed && response.write(' '.repeat(16_384)));
  };
  response.on('drain', pour);
  pour();
}

test('an outage keeps the session, is retried, and ends by itself', async () => {
  await page.goto(site.origin);
  await settled();
  site.session = (_request, response) => json(response, 503, {}, { 'retry-after': '1' });
  await page.evaluate(() => window.manager.check());
  const during = await state();
  assert.equal(during.status, 'unavailable');
  assert.equal(during.session.user.email, SESSION.email);
  site.session = (_request, response) => json(response, 200, SESSION);
  await until('authenticated');
  assert.deepEqual(await page.evaluate(() => window.events), ['login', 'unavailable']);
});

test('an identical answer changes nothing, not even the object', async () => {
  await page.goto(site.origin);
  await settled();
  assert.equal(
    await page.evaluate(async () => {
      const before = window.manager.getState();
      await window.manager.check();
      return before === window.manager.getState() && Object.isFrozen(before) && before === window.manager.state;
    }),
    true,
  );
});

test('many calls at once are one request', async () => {
  await page.goto(`${site.origin}/?bare`);
  await page.waitForFunction(() => window.authtool);
  const same = await page.evaluate(async () => {
    const manager = window.authtool.init({ baseUrl: 'bff/', autostart: false });
    if (manager.baseUrl !== '/bff' || manager.state.status !== 'initialising') return 'bad start';
    const states = await Promise.all([manager.start(), manager.start(), manager.check(), manager.refresh(), manager.getSession()]);
    return states.slice(0, 4).every((state) => state === manager.state) && states[4] === manager.state.session;
  });
  assert.equal(same, true);
  assert.equal(site.sessionRequests(), 1);
});

test('a session that ends is looked at, and is gone', async () => {
  site.session = (_request, response) => json(response, 200, { sub: 'ada', session: { expires_in: 1 } });
  await page.goto(site.origin);
  await settled();
  site.session = (_request, response) => json(response, 401, {});
  await until('unauthenticated');
  assert.deepEqual(await page.evaluate(() => window.events), ['login', 'expired']);
});

test('the login address leads back to this very page', async () => {
  await page.goto(`${site.origin}/app/ä?x=1&prompt=none#a&b`);
  await settled();
  const urls = await page.evaluate(() => {
    const { client } = window.manager;
    return [client.loginUrl() instanceof URL, client.loginUrl().href, client.loginUrl('../other').href, client.logoutUrl().href, client.logoutUrl(new URL('/bye', location.href)).href];
  });
  assert.equal(urls[0], true);
  assert.equal(new URL(urls[1]).searchParams.get('redirect_uri'), '/app/%C3%A4?x=1&prompt=none#a&b');
  assert.equal([...new URL(urls[1]).searchParams].length, 1);
  assert.equal(new URL(urls[2]).searchParams.get('redirect_uri'), `${site.origin}/other`);
  assert.equal(urls[3], `${site.origin}/bff/logout`);
  assert.equal(new URL(urls[4]).searchParams.get('redirect_uri'), `${site.origin}/bye`);
});

test('wrong arguments are refused with words that help', async () => {
  await page.goto(`${site.origin}/?bare`);
  await page.waitForFunction(() => window.authtool);
  const messages = await page.evaluate(() =>
    [
      () => window.authtool.init({ baseUrl: 'https://other.example/bff' }),
      () => window.authtool.init({ baseUrl: '/bff?x=1' }),
      () => window.authtool.init({ autostart: false }).client.loginUrl('http://['),
      () => window.authtool.init({ autostart: false }).login({ redirectUri: 'http://[' }),
    ].map((attempt) => {
      try {
        attempt();
        return 'nothing was thrown';
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    }),
  );
  assert.match(messages[0], /^TypeError: authtool: option baseUrl must be on the page's own origin/);
  assert.match(messages[1], /^TypeError: authtool: option baseUrl must be a plain path/);
  assert.match(messages[2], /^TypeError: authtool: redirectUri must be/);
  assert.match(messages[3], /^TypeError: authtool: redirectUri must be/);
});

test('the example in the README works as it is', async () => {
  await page.goto(`${site.origin}/readme`);
  await page.waitForFunction(() => document.getElementById('status').textContent === 'Hello Ada <b>');
  assert.deepEqual(await page.evaluate(() => ['login', 'logout'].map((id) => document.getElementById(id).hidden)), [true, false]);
  await Promise.all([page.waitForEvent('load'), page.click('#logout')]);
  await page.goto(`${site.origin}/readme`);
  await page.waitForFunction(() => document.getElementById('status').textContent === 'Please log in');
  await Promise.all([page.waitForRequest(/\/bff\/login\?redirect_uri=%2Freadme$/), page.click('#login')]);
});

test('a Content-Security-Policy that forbids WebAssembly is named, and the least that permits it', async () => {
  await page.goto(`${site.origin}/strict?bare`);
  await page.waitForFunction(() => window.authtool);
  const [message, cause] = await page.evaluate(() => {
    try {
      window.authtool.init();
    } catch (error) {
      return [error.message, error.cause.name];
    }
  });
  assert.match(message, /Content-Security-Policy needs script-src 'wasm-unsafe-eval'/);
  assert.equal(cause, 'CompileError');
});

test('without a native decoder of base64 the bytes are the same', async () => {
  await context.addInitScript(() => void delete Uint8Array.fromBase64);
  await page.goto(site.origin);
  await until('authenticated');
});

test('an absolute baseUrl of this origin is its path', async () => {
  await page.goto(`${site.origin}/?bare`);
  await page.waitForFunction(() => window.authtool);
  assert.equal(await page.evaluate(() => window.authtool.init({ baseUrl: `${location.origin}/bff/`, autostart: false }).baseUrl), '/bff');
});

test('a click is never counted as a loop', async () => {
  site.session = (_request, response) => json(response, 401, {});
  await page.goto(site.origin);
  for (let attempt = 0; attempt < 4; attempt++) {
    await settled();
    await page.evaluate(() => {
      document.body.onclick = () => window.manager.login({ redirectUri: '/' });
      document.body.style.height = '100vh';
    });
    await Promise.all([page.waitForEvent('load'), page.mouse.click(50, 50)]);
  }
  assert.equal(site.requests.filter(({ url }) => url.startsWith('/bff/login')).length, 4);
});

test('a logout is a same-origin POST, and the other tab hears of it', async () => {
  await page.goto(site.origin);
  await settled();
  const other = await open();
  await other.goto(site.origin);
  await settled(other);
  await Promise.all([page.waitForEvent('load'), page.evaluate(() => window.manager.logout({ redirectUri: '/bye' }))]);
  const logout = site.requests.find(({ url }) => url.startsWith('/bff/logout'));
  assert.equal(logout.method, 'POST');
  assert.equal(logout.headers.origin, site.origin);
  assert.equal(logout.headers['sec-fetch-site'], 'same-origin');
  assert.equal(logout.url, `/bff/logout?redirect_uri=${encodeURIComponent(`${site.origin}/bye`)}`);
  await until('unauthenticated', other);
  assert.deepEqual(await other.evaluate(() => window.events), ['login', 'logout']);
  await until('unauthenticated');
});

test('a login in one tab is seen in the other', async () => {
  site.session = (_request, response) => json(response, 401, {});
  await page.goto(site.origin);
  await settled();
  site.session = (_request, response) => json(response, 200, SESSION);
  const other = await open();
  await other.goto(site.origin);
  await until('authenticated', page);
});

test('what other scripts post to the channel is no harm', async () => {
  await page.goto(site.origin);
  await settled();
  const asked = site.sessionRequests();
  await page.evaluate(async () => {
    const channel = new BroadcastChannel('authtool:/bff');
    for (const message of [null, undefined, 5, {}, ['x'], new ArrayBuffer(8), 'other', 'x'.repeat(100_000)]) channel.postMessage(message);
    await new Promise((resolve) => setTimeout(resolve, 200));
  });
  assert.equal(site.sessionRequests(), asked);
});

test('a page from the back/forward cache looks again before it is trusted', async () => {
  await page.goto(site.origin);
  await settled();
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.goto(`${site.origin}/elsewhere?bare`);
  site.session = (_request, response) => json(response, 401, {});
  // A page from the cache does not load again.
  await page.goBack({ waitUntil: 'commit' });
  await until('unauthenticated');
  assert.equal(await page.evaluate(() => window.same), true, 'the page was loaded anew instead of taken from the cache');
  assert.deepEqual(await page.evaluate(() => window.events), ['login', 'expired']);
});

test('going back after a logout does not show the session that was', async () => {
  await page.goto(site.origin);
  await settled();
  await page.evaluate(() => window.manager.logout());
  await page.waitForFunction(() => window.manager?.state.status === 'unauthenticated');
  await page.goBack({ waitUntil: 'commit' });
  await until('unauthenticated');
});

test('a disposed manager is silent, and its promises end', async () => {
  await page.goto(site.origin);
  await settled();
  const asked = site.sessionRequests();
  assert.equal(
    await page.evaluate(async () => {
      const { manager, seen } = window;
      const pending = manager.check();
      manager.dispose();
      manager.dispose();
      await pending;
      await manager.check();
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
      dispatchEvent(new Event('online'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      return seen.join();
    }),
    'initialising,authenticated',
  );
  assert.ok(site.sessionRequests() <= asked + 1);
});

test('a listener that throws stops neither the others nor the manager', async () => {
  await page.goto(`${site.origin}/?bare`);
  await page.waitForFunction(() => window.authtool);
  const heard = await page.evaluate(async () => {
    const manager = window.authtool.init({ baseUrl: '/bff', autostart: false });
    const heard = [];
    manager.subscribe(() => {
      throw new Error('a defect of the app');
    });
    manager.subscribe(({ status }) => heard.push(status));
    await manager.start();
    return heard;
  });
  assert.deepEqual(heard, ['authenticated']);
  assert.match(complaints.join(), /a defect of the app/);
  complaints.length = 0;
});

test('nothing about the session is stored', async () => {
  await page.goto(site.origin);
  await settled();
  assert.deepEqual(await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie]), [[], [], '']);
});
