// The built package in Firefox. What does not depend on the engine is tested in Chromium (browser/).
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { json } from '../browser/site.mjs';
import { openFirefox } from '../browser/webdriver.mjs';
import { openWorld } from '../browser/world.mjs';

let firefox, world;

before(async () => {
  firefox = await openFirefox();
});
after(() => firefox?.close());

beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

async function open(options = {}) {
  await firefox.goto(`${world.origin}/app`);
  await firefox.evaluate(async (given) => {
    while (!window.start) await new Promise((resolve) => setTimeout(resolve, 10));
    await window.start(given);
  }, { allowedOrigins: [world.apiOrigin], ...options });
}

const until = (wanted) =>
  firefox.evaluate(async (status) => {
    while (window.manager?.state.status !== status) await new Promise((resolve) => setTimeout(resolve, 20));
  }, wanted);

test('WebAssembly is compiled at once, under the strictest policy, and the session is asked for before init returns', async () => {
  await firefox.goto(`${world.origin}/`);
  const requested = await firefox.evaluate(async () => {
    while (!window.start) await new Promise((resolve) => setTimeout(resolve, 10));
    const real = window.fetch;
    let requests = 0;
    window.fetch = (...args) => {
      requests += 1;
      return real(...args);
    };
    const started = window.start({});
    const atOnce = requests;
    await started;
    window.fetch = real;
    return [atOnce, window.manager.state.session.user.name, window.violations];
  });
  assert.deepEqual(requested, [1, 'ada', []]);
});

test('the token goes to the API that is listed, and is fetched again once after a 401', async () => {
  await open();
  world.answerApi = (request, response) => json(response, request.headers.authorization === 'Bearer canary-ada-2' ? 200 : 401, {});
  assert.equal(await firefox.evaluate(() => window.manager.getAccessToken()), 'canary-ada-1');
  world.issue();
  const codes = await firefox.evaluate(
    (address) =>
      Promise.all([
        ...Array.from({ length: 10 }, () => window.manager.fetch(address, { method: 'POST', body: 'hello' })),
        window.manager.fetch(new Request(address, { method: 'POST', body: 'hello' })),
      ]).then((responses) => responses.map(({ status }) => status)),
    `${world.apiOrigin}/x`,
  );
  assert.deepEqual([...new Set(codes)], [200]);
  assert.ok(world.api.every(({ body }) => body === 'hello'));
  assert.equal(world.asked('token'), 2);
  assert.deepEqual(await firefox.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), window.violations]), [[], [], []]);
});

test('sec_176_a_redirect_does_not_take_the_token_along_in_firefox', async () => {
  await open();
  world.answerApi = (_request, response) => response.writeHead(302, { location: `${world.strangerOrigin}/steal` }).end();
  assert.equal(await firefox.evaluate((address) => window.manager.fetch(address).catch(({ name }) => name), `${world.apiOrigin}/moved`), 'TypeError');
  assert.deepEqual(world.stranger, []);
});

test('sec_180_tabs_ask_one_after_the_other_in_firefox', async () => {
  const first = await firefox.tab();
  await open();
  const answer = world.answerToken;
  let release;
  const released = new Promise((resolve) => (release = resolve));
  world.answerToken = async (request, response) => {
    await released;
    answer(request, response);
  };
  // Not awaited: WebDriver does one thing at a time.
  await firefox.evaluate(() => void window.manager.getAccessToken());
  while (world.asked('token') === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await firefox.switchTo(await firefox.newTab());
  await open();
  await firefox.evaluate(() => {
    window.tokens = Promise.all([1, 2, 3].map(() => window.manager.getAccessToken()));
  });
  // The second tab waits for its turn while the first is not answered; if it did not, it would ask now.
  const waits = () => firefox.evaluate(async () => (await navigator.locks.query()).pending.length > 0);
  while (!(await waits()) && world.asked('token') === 1) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(world.asked('token'), 1);
  release();
  const tokens = await firefox.evaluate(() => window.tokens);
  assert.deepEqual([...new Set(tokens)], ['canary-ada-1']);
  await firefox.switchTo(first);
});

test('sec_181_a_logout_is_a_post_and_going_back_shows_nobody_in_firefox', async () => {
  await open();
  await firefox.evaluate(() => window.manager.getAccessToken());
  await firefox.evaluate(() => void setTimeout(() => window.manager.logout()));
  const deadline = Date.now() + 60_000;
  // The page that came after it: until then the script may find the old one, or one that is going.
  while (!(await firefox.evaluate(() => Boolean(window.start) && !window.manager).catch(() => false))) {
    assert.ok(Date.now() < deadline, 'the page was not left');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(world.bff.find(({ url }) => url === '/bff/logout').method, 'POST');
  await firefox.back();
  await firefox.evaluate(async () => {
    while (!window.start) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!window.manager) await window.start({});
  });
  await until('unauthenticated');
  assert.equal(await firefox.evaluate(() => window.manager.getAccessToken().catch(({ code }) => code)), 'unauthorized');
});

test('another tab’s login and logout are heard', async () => {
  world.user = null;
  await open();
  assert.equal(await firefox.evaluate(() => window.manager.state.status), 'unauthenticated');
  world.user = 'ada';
  await firefox.evaluate(() => void new BroadcastChannel('authtool:/bff').postMessage('login'));
  await until('authenticated');
  world.user = null;
  await firefox.evaluate(() => void new BroadcastChannel('authtool:/bff').postMessage('logout'));
  await until('unauthenticated');
});
