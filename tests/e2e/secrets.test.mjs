// What scripts in the page, and other sites, can get hold of.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { APP, INTERNAL, browserTests } from './browser.mjs';
import { callApi, fetchFromPage, openLoggedIn, seesUser } from './steps.mjs';

const inBrowser = browserTests();

const SESSION_COOKIE = '__Host-session_id';

/** The header that the browser client sends, so that a refusal is not for want of it. */
const CSRF = { 'x-authtool-csrf': '1' };

/** Anything that looks like a JSON Web Token. */
const JWT = /eyJ[\w-]{8,}\.[\w-]+\.[\w-]+/;

async function sessionCookie(context) {
  const cookie = (await context.cookies(APP)).find(({ name }) => name === SESSION_COOKIE);
  assert.ok(cookie, `no cookie ${SESSION_COOKIE}`);
  return cookie;
}

/**
 * The access token, as a gateway gets it at the internal listener. Not by `fetch`, which sends the
 * headers of a browser, and is refused for it.
 */
async function accessToken(context) {
  const { name, value } = await sessionCookie(context);
  const [response] = await once(get(`${INTERNAL}/bff/token`, { headers: { cookie: `${name}=${value}` } }), 'response');
  const body = await text(response);
  assert.equal(response.statusCode, 200, body);
  return JSON.parse(body).access_token;
}

test('the session cookie has every protection that a cookie can have', inBrowser(async (context) => {
  await openLoggedIn(context);
  const { httpOnly, secure, sameSite, path, domain } = await sessionCookie(context);
  assert.deepEqual(
    { httpOnly, secure, sameSite, path, domain },
    // Without a leading dot: no Domain attribute, this host alone.
    { httpOnly: true, secure: true, sameSite: 'Strict', path: '/', domain: 'localhost' },
  );
}));

test('a login leaves no cookie behind but the session, and for two minutes that it has just succeeded', inBrowser(async (context) => {
  await openLoggedIn(context);
  const cookies = await context.cookies(APP);
  assert.deepEqual(cookies.map(({ name }) => name).sort(), ['__Host-authtool_returned', SESSION_COOKIE].sort());
  const returned = cookies.find(({ name }) => name !== SESSION_COOKIE);
  assert.ok(returned.httpOnly && returned.secure, JSON.stringify(returned));
  const seconds = returned.expires - Date.now() / 1000;
  assert.ok(seconds > 0 && seconds <= 120, `${seconds} s`);
}));

test('scripts cannot read the cookie', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  assert.equal(await page.evaluate(() => document.cookie), '');
}));

test('a login makes a new session, whatever cookie was there', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const before = await sessionCookie(context);
  await page.goto(`${APP}/bff/login`);
  await seesUser(page, 'Ada Lovelace');
  const after = await sessionCookie(context);
  assert.notEqual(after.value, before.value);
}));

test('no token is in anything that the browser was sent or keeps', inBrowser(async (context) => {
  const bodies = [];
  // Once it has arrived: what a navigation cut off never does.
  context.on('requestfinished', (request) => {
    if (new URL(request.url()).origin !== APP) return;
    const received = async () => {
      const response = await request.response();
      const headers = await response.allHeaders();
      // A redirect has no body to ask for.
      const body = response.status() >= 300 && response.status() < 400 ? Buffer.alloc(0) : await response.body();
      // The way to the provider's logout page names the session by its ID token, as RP-Initiated
      // Logout asks for; this test does not log out, so nothing is excepted.
      return { url: request.url(), content: `${JSON.stringify(headers)}\n${body.toString('latin1')}` };
    };
    bodies.push(received());
  });
  const page = await openLoggedIn(context);
  await callApi(page);
  const session = await fetchFromPage(page, '/bff/session', { headers: CSRF });
  assert.equal(session.status, 200);
  const token = await accessToken(context);
  assert.match(token, JWT);

  assert.ok(bodies.length > 0, 'nothing was looked at');
  for (const { url, content } of await Promise.all(bodies)) {
    assert.ok(!content.includes(token), `the access token is in ${url}`);
    assert.doesNotMatch(content, JWT, `a token is in ${url}`);
  }
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    history: JSON.stringify(history.state),
    name: window.name,
    url: location.href,
    entries: performance.getEntries().map((entry) => entry.name),
    page: document.documentElement.outerHTML,
  }));
  assert.doesNotMatch(JSON.stringify(kept), JWT);
  assert.deepEqual(kept.databases, []);
  assert.deepEqual(kept.caches, []);
}));

test('the session answer holds the configured claims and nothing else', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const { status, type, body } = await fetchFromPage(page, '/bff/session', { headers: CSRF });
  assert.equal(status, 200);
  assert.match(type, /^application\/json/);
  const { session, ...claims } = JSON.parse(body);
  assert.deepEqual(claims, {
    sub: 'ada',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    email_verified: true,
    preferred_username: 'ada',
  });
  assert.deepEqual(Object.keys(session), ['expires_in']);
}));

test('no browser gets a token from the token endpoint', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  for (const init of [{}, { headers: CSRF }, { headers: CSRF, referrerPolicy: 'no-referrer' }, { headers: CSRF, mode: 'same-origin' }]) {
    for (const path of ['/bff/token', '/bff/token/']) {
      const { status, body } = await fetchFromPage(page, path, init);
      assert.equal(status, 403, `${path} ${JSON.stringify(init)}: ${body}`);
      assert.doesNotMatch(body, JWT);
    }
  }
  const navigation = await page.goto(`${APP}/bff/token`);
  assert.equal(navigation.status(), 403);
  assert.doesNotMatch(await navigation.text(), JWT);
}));

test('markup in a claim is text', inBrowser(async (context) => {
  const name = '<img src=x onerror="window.hit=1">';
  const page = await openLoggedIn(context, name, name);
  await callApi(page);
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  assert.equal(await page.evaluate(() => window.hit), undefined);
}));

test('the page runs under a policy that allows nothing inline and nothing from elsewhere', inBrowser(async (context) => {
  const page = await context.newPage();
  const response = await page.goto(`${APP}/`);
  const policy = response.headers()['content-security-policy'] ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval'/);
  assert.doesNotMatch(policy, /'unsafe-(inline|eval)'|\*/);
  const violated = page.evaluate(
    () => new Promise((resolve) => document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective))),
  );
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.hit = 1';
    document.body.append(script);
  });
  assert.match(await violated, /^script-src/);
  assert.equal(await page.evaluate(() => window.hit), undefined);
}));
