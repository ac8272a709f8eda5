// `manager.fetch` and `manager.getAccessToken`, as an app uses them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, PATIENCE } from './chromium.mjs';
import { json } from './site.mjs';
import { openWorld } from './world.mjs';

let browser, context, page, world;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

beforeEach(async () => {
  world = await openWorld();
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  world.close();
});

async function open(options = {}) {
  await page.goto(world.origin);
  await page.waitForFunction(() => window.start);
  await page.evaluate((given) => window.start(given), { allowedOrigins: [world.apiOrigin], ...options });
}

/** The API refuses the first request of each test, and the next ones if they carry another token. */
function refuseOnce() {
  world.answerApi = (_request, response) => json(response, world.api.length === 1 ? 401 : 200, { calls: world.api.length });
}

test('in bff mode calls of the own origin carry the custom header, and no others do', async () => {
  await open({ mode: 'bff' });
  const codes = await page.evaluate(async (stranger) => {
    const { fetch } = window.manager;
    return [(await fetch('/api/x', { headers: { 'x-own': '1' } })).status, (await fetch(stranger)).status];
  }, `${world.strangerOrigin}/x`);
  assert.deepEqual(codes, [200, 200]);
  assert.equal(world.api[0].headers['x-authtool-csrf'], '1');
  assert.equal(world.api[0].headers['x-own'], '1');
  assert.equal(world.api[0].headers.authorization, undefined);
  assert.equal(world.stranger[0].headers['x-authtool-csrf'], undefined);
  assert.equal(world.asked('token'), 0);
});

test('in bff mode there is no token, and the error says so', async () => {
  await open({ mode: 'bff' });
  const error = await page.evaluate(() => window.manager.getAccessToken().catch(({ name, code, message }) => [name, code, message]));
  assert.deepEqual(error.slice(0, 2), ['AuthtoolError', 'wrong_mode']);
  assert.match(error[2], /tokenExchange/);
  assert.equal(world.asked('token'), 0);
});

test('in bff mode a 401 is followed by a look and, while there is a session, one retry', async () => {
  await open({ mode: 'bff' });
  refuseOnce();
  assert.equal(await page.evaluate(() => window.manager.fetch('/api/x').then(({ status }) => status)), 200);
  assert.equal(world.asked('session'), 2);

  world.user = null;
  world.answerApi = (_request, response) => json(response, 401, { reason: 'nobody' });
  const before = world.api.length;
  assert.deepEqual(await page.evaluate(() => window.manager.fetch('/api/x').then((response) => response.json())), { reason: 'nobody' });
  assert.equal(world.api.length, before + 1);
  assert.equal(await page.evaluate(() => window.manager.state.status), 'unauthenticated');
});

test('an API with a token gets it again after a 401, with the same body, however it was given', async () => {
  await open();
  for (const kind of ['string', 'blob', 'form', 'params', 'bytes', 'request', 'request and init']) {
    world.api.length = 0;
    refuseOnce();
    const calls = await page.evaluate(
      async ([address, how]) => {
        const options = { method: 'POST' };
        const bodies = {
          string: () => 'hello',
          blob: () => new Blob(['hello']),
          form: () => {
            const form = new FormData();
            form.set('hello', 'x');
            return form;
          },
          params: () => new URLSearchParams({ hello: 'x' }),
          bytes: () => new TextEncoder().encode('hello'),
        };
        const response = await (how === 'request'
          ? window.manager.fetch(new Request(address, { ...options, body: 'hello', headers: { 'x-own': '1' } }))
          : how === 'request and init'
            ? window.manager.fetch(new Request(address, { ...options, body: 'other' }), { body: 'hello' })
            : window.manager.fetch(address, { ...options, body: bodies[how]() }));
        return (await response.json()).calls;
      },
      [`${world.apiOrigin}/x`, kind],
    );
    assert.equal(calls, 2, kind);
    for (const { body, method, headers } of world.api) {
      assert.match(body, /hello/, kind);
      assert.equal(method, 'POST', kind);
      assert.match(headers.authorization, /^Bearer canary/, kind);
      if (kind === 'request') assert.equal(headers['x-own'], '1');
    }
  }
});

test('a stream is sent as it flows, and not again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'authtool-tls-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-days', '1'], { stdio: 'ignore' });
  const seen = [];
  // Browsers stream uploads over HTTP/2 only.
  const server = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) });
  server.on('stream', (stream, headers) => {
    const answer = { ':status': 401, 'access-control-allow-origin': world.origin, 'access-control-allow-headers': 'authorization', 'access-control-allow-methods': 'POST' };
    if (headers[':method'] === 'OPTIONS') return stream.respond({ ...answer, ':status': 204 }, { endStream: true });
    let body = '';
    stream.on('data', (chunk) => (body += chunk));
    stream.on('end', () => {
      seen.push([headers.authorization, body]);
      stream.respond(answer);
      stream.end('refused');
    });
  });
  await new Promise((resolve) => server.listen(0, resolve));
  try {
    const origin = `https://localhost:${server.address().port}`;
    await open({ allowedOrigins: [origin] });
    const [status, text] = await page.evaluate(async (address) => {
      const body = new ReadableStream({
        async start(controller) {
          for (const part of ['one ', 'two ', 'three']) {
            controller.enqueue(new TextEncoder().encode(part));
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          controller.close();
        },
      });
      const response = await window.manager.fetch(address, { method: 'POST', body, duplex: 'half' });
      return [response.status, await response.text()];
    }, `${origin}/x`);
    assert.deepEqual([status, text], [401, 'refused']);
    assert.deepEqual(seen, [['Bearer canary-ada-1', 'one two three']]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});

test('an answer is streamed, not collected', async () => {
  await open();
  let finish;
  world.answerApi = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).write('first');
    finish = () => response.end('last');
  };
  const first = await page.evaluate(async (address) => {
    const response = await window.manager.fetch(address);
    window.reader = response.body.getReader();
    return new TextDecoder().decode((await window.reader.read()).value);
  }, `${world.apiOrigin}/x`);
  assert.equal(first, 'first');
  finish();
  assert.equal(await page.evaluate(async () => new TextDecoder().decode((await window.reader.read()).value)), 'last');
});

test('an Authorization of the caller stays as it is', async () => {
  await open();
  await page.evaluate((address) => window.manager.fetch(address, { headers: { authorization: 'Basic own' } }), `${world.apiOrigin}/x`);
  assert.equal(world.api[0].headers.authorization, 'Basic own');
  assert.equal(world.asked('token'), 0);
});

test('a call can be given up, before and after it was sent', async () => {
  await open();
  world.answerApi = () => {};
  const names = await page.evaluate(async (address) => {
    const early = window.manager.fetch(address, { signal: AbortSignal.abort() });
    const controller = new AbortController();
    const late = window.manager.fetch(address, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    return (await Promise.allSettled([early, late])).map(({ reason }) => reason.name);
  }, `${world.apiOrigin}/x`);
  assert.deepEqual(names, ['AbortError', 'AbortError']);
});

test('what fetch refuses is refused in its own words', async () => {
  await open();
  const names = await page.evaluate(async () => {
    const { fetch } = window.manager;
    return (await Promise.allSettled([fetch('http://['), fetch('/api/x', { method: 'GET', body: 'x' }), fetch('/api/x', { method: 'TRACE' })])).map(({ reason }) => reason?.name);
  });
  assert.deepEqual(names, ['TypeError', 'TypeError', 'TypeError']);
});

test('without a session a call that needs a token is not made', async () => {
  world.user = null;
  await open();
  const error = await page.evaluate((address) => window.manager.fetch(address).catch((reason) => [reason.code, window.authtool.isUnauthorized(reason)]), `${world.apiOrigin}/x`);
  assert.deepEqual(error, ['unauthorized', true]);
  assert.equal(world.api.length, 0);
});

test('a token that an API refuses is fetched anew, and a session that is gone is noticed', async () => {
  await open();
  assert.equal(await page.evaluate(() => window.manager.getAccessToken()), 'canary-ada-1');
  world.issue();
  assert.equal(await page.evaluate(() => window.manager.getAccessToken({ rejected: 'an older one' })), 'canary-ada-1');
  assert.equal(await page.evaluate(() => window.manager.getAccessToken({ rejected: 'canary-ada-1' })), 'canary-ada-2');
  world.user = null;
  world.answerApi = (_request, response) => json(response, 401, {});
  assert.equal(await page.evaluate((address) => window.manager.fetch(address).then(({ status }) => status), `${world.apiOrigin}/x`), 401);
  await page.waitForFunction(() => window.manager.state.status === 'unauthenticated');
});

test('by default the token goes to the page’s own origin', async () => {
  await page.goto(world.origin);
  await page.waitForFunction(() => window.start);
  await page.evaluate(() => window.start({}));
  await page.evaluate((address) => Promise.all([window.manager.fetch('/api/x'), window.manager.fetch(address)]), `${world.apiOrigin}/x`);
  const authorizations = Object.fromEntries(world.api.map(({ url, headers }) => [url, headers.authorization]));
  assert.deepEqual(authorizations, { '/api/x': 'Bearer canary-ada-1', '/x': undefined });
  assert.equal(world.api.find(({ url }) => url === '/api/x').headers['x-authtool-csrf'], '1');
});

test('the end of the session is announced ahead of time, and looked at first where it was in use', async () => {
  await page.clock.install();
  world.sessionSeconds = 600;
  await open({ expiringMs: 120_000, mode: 'bff' });
  await page.clock.fastForward(470_000);
  await page.evaluate(() => window.manager.fetch('/api/x'));
  await page.clock.fastForward(11_000);
  // The call had extended it.
  await page.waitForFunction(() => window.manager.state.session.expiresAt - Date.now() > 500_000);
  assert.deepEqual(await page.evaluate(() => window.heard), ['login']);
  await page.clock.fastForward(481_000);
  await page.waitForFunction(() => window.heard.length === 2);
  assert.deepEqual(await page.evaluate(() => window.heard), ['login', 'expiring']);
});

test('a page polls while it is seen, if it was told to', async () => {
  await page.clock.install();
  await open({ mode: 'bff', pollMs: 30_000 });
  const before = world.asked('session');
  world.user = null;
  await page.clock.fastForward(31_000);
  await page.waitForFunction(() => window.manager.state.status === 'unauthenticated');
  assert.equal(world.asked('session'), before + 1);
});
