// The browser client's chapter of the security catalogue. A test's name begins with the requirement's id.
import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';
import { launch, LAUNCH, PATIENCE } from './chromium.mjs';
import { json } from './site.mjs';
import { openWorld } from './world.mjs';

let browser, context, page, world, logged;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

beforeEach(async () => {
  world = await openWorld();
  logged = [];
  context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
  context.on('console', (message) => logged.push(message.text()));
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  world.close();
});

/** Opens the app. `options` are those of `init`; the API's origin is allowed. */
async function open(options = {}, path = '/', where = page) {
  await where.goto(world.origin + path);
  await where.waitForFunction(() => window.start);
  await where.evaluate((given) => window.start(given), { allowedOrigins: [world.origin, world.apiOrigin], ...options });
  return where;
}

const token = (where = page, options) => where.evaluate((given) => window.manager.getAccessToken(given), options);
const failure = (where = page) => where.evaluate(() => window.manager.getAccessToken().then(() => 'a token', ({ name, code }) => `${name} ${code}`));
const status = (where = page) => where.evaluate(() => window.manager.state.status);
const until = (wanted, where = page) => where.waitForFunction((one) => window.manager?.state.status === one, wanted);
/** Calls an address by the client's `fetch`: the status, or the error. */
const call = (address, init, where = page) =>
  where.evaluate(([url, options]) => window.manager.fetch(url, options).then((response) => response.status, (error) => error.name), [address, init]);

/** Everything that a script of the page, or whoever reads the disk, can find by looking. */
async function everythingVisible(where = page) {
  return where.evaluate(async () => {
    const found = [];
    for (const storage of [localStorage, sessionStorage]) found.push(...Object.entries(storage).flat());
    found.push(document.cookie, location.href, JSON.stringify(history.state), document.documentElement.outerHTML, window.name);
    found.push(...performance.getEntries().map((entry) => JSON.stringify(entry)));
    for (const { name } of await indexedDB.databases()) found.push(`database ${name}`);
    for (const name of await caches.keys()) {
      found.push(`cache ${name}`);
      for (const request of await (await caches.open(name)).keys()) found.push(request.url);
    }
    // Whatever can be reached from the global object without calling anything.
    const seen = new Set();
    const queue = [window];
    while (queue.length > 0) {
      const value = queue.pop();
      if (typeof value === 'string') found.push(value);
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
      seen.add(value);
      for (const key of Reflect.ownKeys(value)) {
        if (typeof key === 'string') found.push(key);
        const { value: member } = Object.getOwnPropertyDescriptor(value, key) ?? {};
        queue.push(member);
      }
      queue.push(Object.getPrototypeOf(value));
    }
    return found;
  });
}

test('sec_175_the_token_is_nowhere_but_in_memory', async () => {
  const listener = await open({ mode: 'bff' }, '/', await context.newPage());
  await listener.evaluate(() => {
    window.posted = [];
    for (const name of ['authtool:/bff', 'authtool']) new BroadcastChannel(name).onmessage = ({ data }) => window.posted.push(JSON.stringify(data));
  });
  await open();
  assert.match(await token(), /^canary-ada/);
  assert.equal(await call(`${world.apiOrigin}/x`), 200);
  assert.match(world.api[0].headers.authorization, /^Bearer canary-ada/);
  const found = await everythingVisible();
  assert.ok(found.length > 5_000, `the search found little: ${found.length}`);
  assert.deepEqual(found.filter((text) => text.includes('canary')), []);
  assert.deepEqual((await listener.evaluate(() => window.posted)).filter((text) => text.includes('canary')), []);
  assert.deepEqual(logged.filter((text) => text.includes('canary')), []);
  const cookies = await context.cookies();
  assert.deepEqual(cookies, []);
});

test('sec_175_the_search_would_find_a_token', async () => {
  await open();
  await page.evaluate(async () => {
    window.somewhere = { deep: [{ inside: await window.manager.getAccessToken() }] };
  });
  assert.ok((await everythingVisible()).some((text) => text.includes('canary')));
});

test('sec_176_the_token_goes_to_listed_origins_only', async () => {
  await open({ allowedOrigins: ['https://api.example', world.apiOrigin] });
  const seen = [];
  await context.route(/^https?:\/\/[^/]*(example|stranger)/, (route) => {
    const request = route.request();
    seen.push([request.url(), request.headers().authorization]);
    return route.fulfill({
      status: 200,
      headers: { 'access-control-allow-origin': world.origin, 'access-control-allow-headers': 'authorization', 'access-control-allow-credentials': 'true' },
      body: '{}',
    });
  });
  assert.equal(await call('https://api.example/x'), 200);
  assert.equal(await call('https://API.example:443/y'), 200, 'the same origin, written otherwise');
  for (const address of [
    'https://api.example.stranger/',
    'https://stranger/https://api.example/',
    'https://stranger/?https://api.example',
    'https://api.example:8443/',
    'http://api.example/',
    'https://sub.api.example/',
    'https://api.example.:443/',
  ]) {
    await call(address);
  }
  await call('https://api.example@stranger/');
  await call('data:application/json,{}');
  await page.evaluate(() => window.manager.fetch(URL.createObjectURL(new Blob(['{}']))).then((response) => response.text()));
  assert.equal(await call(`${world.strangerOrigin}/x`), 200);
  assert.equal(await call('/api/own'), 200, 'the own origin is not in this list');
  const withToken = seen.filter(([, authorization]) => authorization);
  assert.deepEqual(withToken.map(([url]) => url), ['https://api.example/x', 'https://api.example/y']);
  assert.ok(seen.length >= 8, JSON.stringify(seen));
  assert.equal(world.stranger.at(-1).headers.authorization, undefined);
  assert.equal(world.api.at(-1).headers.authorization, undefined);
});

test('sec_176_a_redirect_does_not_take_the_token_along', async () => {
  await open();
  world.answerApi = (_request, response) => response.writeHead(302, { location: `${world.strangerOrigin}/steal` }).end();
  assert.equal(await call(`${world.apiOrigin}/moved`), 'TypeError');
  assert.equal(await call(`${world.apiOrigin}/moved`, { redirect: 'follow' }), 'TypeError');
  assert.equal(await call(`${world.apiOrigin}/moved`, { redirect: 'manual' }), 0, 'an opaque answer, for who asks for it');
  assert.deepEqual(world.stranger, []);
});

test('sec_176_origins_that_a_token_must_not_reach_are_refused_as_an_option', async () => {
  await page.goto(world.origin);
  await page.waitForFunction(() => window.authtool);
  for (const origin of ['http://api.example', 'https://api.example/path', 'https://api.example?x', '*', 'https://*.example', 'null', 'data:,', 'https://user@api.example', 'ftp://api.example', '']) {
    const message = await page.evaluate((given) => {
      try {
        window.authtool.init({ autostart: false, mode: 'tokenExchange', allowedOrigins: [given] });
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
      return 'accepted';
    }, origin);
    assert.match(message, /^TypeError: authtool: option allowedOrigins must be a list of https origins/, origin);
  }
});

test('sec_177_requests_to_the_server_stay_at_home_and_are_not_cached', async () => {
  await context.addCookies([{ name: 'session_id', value: 'x', url: world.origin }]);
  await open();
  await token();
  for (const path of ['session', 'token']) {
    const { headers } = world.bff.find(({ url }) => url === `/bff/${path}`);
    assert.equal(headers['x-authtool-csrf'], '1', path);
    assert.equal(headers.accept, 'application/json', path);
    assert.equal(headers.cookie, 'session_id=x', path);
    assert.equal(headers['cache-control'], 'no-cache', path);
    assert.equal(headers['sec-fetch-site'], 'same-origin', path);
  }
});

for (const [what, answer, code] of [
  ['a_redirect_to_a_login_page', (response) => response.writeHead(302, { location: '/' }).end(), 'network'],
  ['a_page_of_a_proxy', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<form>'), 'protocol'],
  ['json_of_another_type', (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('{"access_token":"canary","token_type":"Bearer","expires_in":60,"session":{"expires_in":60}}'), 'protocol'],
  ['a_body_without_end', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"x":"${'x'.repeat(70_000)}"}`), 'protocol'],
  ['a_body_that_breaks_off', (response) => { response.writeHead(200, { 'content-type': 'application/json', 'content-length': 99 }).write('{'); setTimeout(() => response.destroy(), 50); }, 'network'],
]) {
  test(`sec_177_${what}_is_neither_a_session_nor_a_token`, async () => {
    await open();
    world.answerSession = (_request, response) => answer(response);
    world.answerToken = (_request, response) => answer(response);
    assert.equal(await failure(), `AuthtoolError ${code}`);
    const state = await page.evaluate(() => window.manager.check());
    assert.equal(state.status, 'unavailable');
    assert.equal(await page.evaluate(() => window.manager.state.error.code), code);
    assert.equal(page.url(), `${world.origin}/`);
  });
}

for (const [what, body] of [
  ['no_token', { token_type: 'Bearer', expires_in: 60 }],
  ['a_token_that_no_header_can_carry', { access_token: 'a\r\nx: y', token_type: 'Bearer', expires_in: 60 }],
  ['a_token_that_is_no_string', { access_token: { toString: 'x' }, token_type: 'Bearer', expires_in: 60 }],
  ['a_token_of_another_type', { access_token: 'abc', token_type: 'DPoP', expires_in: 60 }],
  ['a_token_without_a_duration', { access_token: 'abc', token_type: 'Bearer' }],
]) {
  test(`sec_177_${what}_is_refused`, async () => {
    await open();
    world.answerToken = (_request, response) => json(response, 200, body);
    assert.equal(await failure(), 'AuthtoolError protocol');
    assert.equal(await status(), 'authenticated');
  });
}

test('sec_178_nothing_but_a_401_calls_for_a_login', async () => {
  await open();
  await page.evaluate(() => {
    window.navigations = [];
    navigation.onnavigate = ({ destination }) => window.navigations.push(destination.url);
    window.manager.subscribe(({ status }) => status === 'unauthenticated' && window.manager.login());
  });
  for (const code of [400, 403, 404, 429, 500, 502, 503]) {
    world.answerSession = (_request, response) => json(response, code, {});
    world.answerToken = world.answerSession;
    world.answerApi = world.answerSession;
    assert.equal(await failure(), code === 404 ? 'AuthtoolError wrong_mode' : 'AuthtoolError server', code);
    for (let storm = 0; storm < 5; storm++) await page.evaluate(() => window.manager.check());
    assert.equal(await status(), 'unavailable', code);
    assert.equal(await call('/api/x', { headers: { authorization: 'own' } }), code);
  }
  assert.deepEqual(await page.evaluate(() => window.navigations), []);
  assert.equal(world.asked('login'), 0);
  assert.equal(await page.evaluate(() => window.authtool.isUnauthorized(window.manager.state.error)), false);
});

/** A browser whose user keeps no site data. */
async function withCookiesBlocked(body) {
  const profile = await mkdtemp(join(tmpdir(), 'authtool-blocked-'));
  await mkdir(join(profile, 'Default'));
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
  const blocked = await chromium.launchPersistentContext(profile, LAUNCH);
  try {
    await body(await blocked.newPage());
  } finally {
    await blocked.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/**
 * Opens an app that sends whoever is not logged in to the login, and waits until it reports an error. Nothing is evaluated
 * meanwhile: to the browser that would be a click, and after a click nothing is automatic.
 */
async function loginByItself(where) {
  await where.addInitScript(() => {
    addEventListener('load', async () => {
      while (!window.start) await new Promise((resolve) => setTimeout(resolve, 10));
      const started = window.start({});
      window.manager.subscribe(({ status, error }) => {
        if (status === 'unauthenticated') window.manager.login();
        if (error) void fetch(`/api/report/${error.code}`);
      });
      await started;
    });
  });
  await where.goto(world.origin);
  const deadline = Date.now() + PATIENCE;
  while (world.api.length === 0) {
    assert.ok(Date.now() < deadline, `nothing was reported: ${JSON.stringify(world.bff.map(({ url }) => url))}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(world.api[0].url, '/api/report/login_loop');
}

test('sec_179_blocked_cookies_lead_to_an_error_and_not_round_in_circles', async () => {
  world.user = null;
  await withCookiesBlocked(async (where) => {
    await loginByItself(where);
    const blocked = await where.evaluate(() => {
      try {
        return sessionStorage.length;
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(blocked, 'SecurityError', 'this browser blocks nothing');
  });
  assert.equal(world.asked('login'), 0, 'nothing could be counted, so nothing is automatic');
});

test('sec_179_a_session_cookie_that_is_never_kept_leads_to_two_logins_and_an_error', async () => {
  world.user = null;
  await loginByItself(page);
  assert.equal(world.asked('login'), 2);
  const kept = await page.evaluate(() => Object.entries(sessionStorage));
  assert.ok(kept.every(([, value]) => /^\d+(\.\d+)?$/.test(value)), JSON.stringify(kept));
});

for (const [seconds, pass, requests] of [
  [0, 10_000, [0, 1]],
  [1, 10_000, [0, 1]],
  [3, 10_000, [0, 1]],
  // As late as it may be: it is renewed up to seven seconds before its end, by chance.
  [300, 300_500, [1, 1]],
  [2_592_000, 600_000, [0, 0]],
  [1e12, 600_000, [0, 0]],
]) {
  test(`sec_180_a_token_of_${seconds}_seconds_neither_spins_nor_is_renewed_late`, async () => {
    await page.clock.install();
    world.tokenSeconds = seconds;
    world.sessionSeconds = 1e13;
    await open();
    await token();
    const before = world.asked('token');
    await page.clock.runFor(pass);
    await page.evaluate(() => window.manager.check());
    // A renewal that has begun waits for its turn among the tabs before it asks.
    await page.waitForFunction(async () => {
      const { held, pending } = await navigator.locks.query();
      return held.length + pending.length === 0;
    });
    const renewed = world.asked('token') - before;
    assert.ok(renewed >= requests[0] && renewed <= requests[1], `${renewed} requests`);
    assert.ok(world.asked('session') < 5, `${world.asked('session')} looks`);
  });
}

test('sec_180_a_token_that_ended_while_the_laptop_slept_is_not_used', async () => {
  await page.clock.install();
  await open();
  assert.equal(await token(), 'canary-ada-1');
  world.issue();
  await page.clock.fastForward('08:00:00');
  assert.equal(await token(), 'canary-ada-2');
  assert.equal(await call(`${world.apiOrigin}/x`), 200);
  assert.equal(world.api.at(-1).headers.authorization, 'Bearer canary-ada-2');
});

test('sec_180_a_clock_that_is_set_back_makes_no_old_token_good', async () => {
  await page.clock.install();
  await open();
  assert.equal(await token(), 'canary-ada-1');
  world.issue();
  await page.evaluate(() => {
    const real = Date.now.bind(Date);
    Date.now = () => real() - 86_400_000;
  });
  await page.clock.fastForward('06:00');
  assert.equal(await token(), 'canary-ada-2');
});

test('sec_180_a_session_that_ended_while_the_laptop_slept_is_noticed', async () => {
  await page.clock.install();
  await open();
  world.user = null;
  await page.clock.fastForward('08:00:00');
  await until('unauthenticated');
  assert.deepEqual(await page.evaluate(() => window.heard), ['login', 'expired']);
  assert.equal(await failure(), 'AuthtoolError unauthorized');
});

test('sec_180_fifty_callers_are_one_request', async () => {
  await open();
  const tokens = await page.evaluate(() => Promise.all(Array.from({ length: 50 }, () => window.manager.getAccessToken())));
  assert.deepEqual([...new Set(tokens)], ['canary-ada-1']);
  assert.equal(world.asked('token'), 1);
});

test('sec_180_fifty_refused_calls_are_one_forced_request_and_one_retry_each', async () => {
  await open();
  world.answerApi = (request, response) => json(response, request.headers.authorization === 'Bearer canary-ada-2' ? 200 : 401, {});
  await token();
  world.issue();
  const codes = await page.evaluate(
    (address) => Promise.all(Array.from({ length: 50 }, () => window.manager.fetch(address).then(({ status }) => status))),
    `${world.apiOrigin}/x`,
  );
  assert.deepEqual([...new Set(codes)], [200]);
  assert.equal(world.asked('token'), 2);
  assert.equal(world.api.length, 100);
});

test('sec_180_an_api_that_always_refuses_is_asked_twice', async () => {
  await open();
  world.answerApi = (_request, response) => json(response, 401, {});
  assert.equal(await call(`${world.apiOrigin}/x`), 401);
  assert.equal(world.api.length, 2);
  assert.equal(world.asked('token'), 2);
  assert.equal(await status(), 'authenticated');
});

test('sec_180_five_tabs_ask_one_after_the_other', async () => {
  const tabs = [page, ...(await Promise.all([1, 2, 3, 4].map(() => context.newPage())))];
  for (const tab of tabs) await open({}, '/', tab);
  let open_ = 0;
  let most = 0;
  const answer = world.answerToken;
  world.answerToken = async (request, response) => {
    most = Math.max(most, ++open_);
    // Long enough for another tab to ask meanwhile, if it did not wait.
    await new Promise((resolve) => setTimeout(resolve, 200));
    open_ -= 1;
    answer(request, response);
  };
  const tokens = await Promise.all(tabs.map((tab) => token(tab)));
  assert.deepEqual([...new Set(tokens)], ['canary-ada-1']);
  assert.equal(world.asked('token'), 5);
  assert.equal(most, 1, 'the first may cause a refresh; the others get its result');
});

test('sec_180_a_tab_that_hangs_does_not_stop_the_others', async () => {
  await open();
  const other = await open({}, '/', await context.newPage());
  const answer = world.answerToken;
  let hangs = true;
  world.answerToken = (request, response) => {
    if (!hangs) answer(request, response);
    hangs = false;
  };
  const first = failure();
  while (world.asked('token') === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await token(other), 'canary-ada-1');
  await other.close();
  await page.evaluate(() => window.manager.dispose());
  assert.equal(await first, 'AuthtoolError inactive');
});

test('sec_180_a_hidden_tab_renews_nothing', async () => {
  await page.clock.install();
  await open();
  await token();
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  });
  await page.clock.runFor(3_000_000);
  assert.equal(world.asked('token'), 1);
});

test('sec_180_an_open_page_that_nobody_uses_does_not_keep_its_session_alive', async () => {
  await page.clock.install();
  world.sessionSeconds = 1e9;
  await open();
  await token();
  for (let minutes = 0; minutes < 60; minutes += 5) await page.clock.runFor(300_000);
  assert.ok(world.asked('token') <= 2, `${world.asked('token')} requests`);
  assert.equal(world.asked('session'), 1);
});

test('sec_181_a_logout_leaves_no_token_and_no_user_for_whoever_goes_back', async () => {
  await open();
  await page.evaluate(() => {
    window.same = true;
    const render = () => (document.getElementById('who').textContent = window.manager.state.session?.user.name ?? 'nobody');
    window.manager.subscribe(render);
    render();
  });
  await token();
  assert.equal(await page.textContent('#who'), 'ada');
  const issued = world.asked('token');
  const onTheWay = page.evaluate(() => {
    window.manager.logout();
    return window.manager.getAccessToken().then(() => 'a token', ({ code }) => code);
  });
  assert.equal(await onTheWay, 'inactive');
  await page.waitForURL(`${world.origin}/`);
  await page.waitForFunction(() => window.same === undefined && window.start);
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => window.start);
  if (await page.evaluate(() => window.same === true)) {
    await until('unauthenticated');
    assert.equal(await page.textContent('#who'), 'nobody');
    assert.equal(await failure(), 'AuthtoolError unauthorized');
  } else {
    await open();
    assert.equal(await status(), 'unauthenticated');
  }
  assert.equal(world.asked('token'), issued);
});

test('sec_181_the_other_tabs_lose_token_and_user_with_a_logout', async () => {
  await open();
  const other = await open({}, '/', await context.newPage());
  await token(other);
  await page.evaluate(() => window.manager.logout());
  await until('unauthenticated', other);
  assert.equal(await failure(other), 'AuthtoolError unauthorized');
});

test('sec_181_a_page_in_the_back_forward_cache_holds_no_token', async () => {
  await open();
  await token();
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.goto(`${world.origin}/elsewhere`);
  world.issue();
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => window.start);
  assert.equal(await page.evaluate(() => window.same), true, 'the page was loaded anew instead of taken from the cache');
  assert.equal(await token(), 'canary-ada-2');
});

test('sec_182_after_another_user_logged_in_the_first_ones_token_is_never_sent', async () => {
  await open();
  assert.equal(await token(), 'canary-ada-1');
  world.user = 'bob';
  world.token = 'canary-bob-1';
  const other = await open({}, '/', await context.newPage());
  assert.equal(await token(other), 'canary-bob-1');
  // The first tab heard of it: the second one had found a session where it knew of none.
  await page.waitForFunction(() => window.manager.state.session.user.name === 'bob');
  assert.equal(await call(`${world.apiOrigin}/x`), 200);
  assert.equal(world.api.at(-1).headers.authorization, 'Bearer canary-bob-1');
});

test('sec_182_without_news_a_look_that_finds_another_user_drops_the_token', async () => {
  await open();
  await token();
  world.user = 'bob';
  world.token = 'canary-bob-1';
  await page.evaluate(() => window.manager.check());
  assert.equal(await call(`${world.apiOrigin}/x`), 200);
  assert.equal(world.api.at(-1).headers.authorization, 'Bearer canary-bob-1');
});

test('sec_183_the_way_back_is_data_and_comes_back_as_it_was', async () => {
  await open({}, '/deep/page?x=1&prompt=none&y=%26#a&b=c d');
  const { search } = new URL(await page.evaluate(() => window.manager.client.loginUrl().href));
  const query = new URLSearchParams(search);
  assert.deepEqual([...query.keys()], ['redirect_uri']);
  assert.equal(query.get('redirect_uri'), await page.evaluate(() => location.href.slice(location.origin.length)));
  const full = await page.evaluate(() =>
    window.manager.client.loginUrl('/x?y#z', { prompt: ['login', 'consent'], loginHint: 'a&b', acrValues: 'urn:x', maxAge: 0, uiLocales: ['de', 'en'], client: 'second' }).search,
  );
  assert.deepEqual(Object.fromEntries(new URLSearchParams(full)), {
    redirect_uri: `${world.origin}/x?y#z`,
    prompt: 'login consent',
    login_hint: 'a&b',
    acr_values: 'urn:x',
    max_age: '0',
    ui_locales: 'de en',
    client: 'second',
  });
});

test('sec_183_a_login_on_click_takes_nothing_from_the_event', async () => {
  world.user = null;
  await open();
  await page.evaluate(() => {
    const button = document.body.appendChild(document.createElement('button'));
    button.id = 'login';
    button.textContent = 'Log in';
    button.onclick = window.manager.login;
  });
  const [request] = await Promise.all([page.waitForRequest(/\/bff\/login/), page.click('#login')]);
  assert.equal(new URL(request.url()).search, '?redirect_uri=%2F');
});

test('sec_183b_claims_are_text_and_the_strictest_policy_is_not_violated', async () => {
  world.user = '<img src=x onerror=alert(1)>';
  world.token = 'canary-img-1';
  await open();
  await page.evaluate(() => {
    document.getElementById('who').textContent = window.manager.state.session.user.name;
  });
  assert.equal(await call(`${world.apiOrigin}/x`), 200);
  assert.equal(await page.textContent('#who'), world.user);
  assert.equal(await page.locator('img').count(), 0);
  await Promise.all([page.waitForEvent('load'), page.evaluate(() => window.manager.logout())]);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.deepEqual(logged.filter((text) => /Content Security Policy|TrustedHTML|trusted/i.test(text)), []);
});

test('sec_183b_this_policy_would_stop_what_it_is_there_to_stop', async () => {
  await open();
  const name = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>';
    } catch (error) {
      return error.name;
    }
    return 'accepted';
  });
  assert.equal(name, 'TypeError');
});
