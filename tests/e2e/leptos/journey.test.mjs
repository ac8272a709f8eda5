// A user's journey through the Leptos examples: the one that the browser renders, in both modes, and the one that the
// server renders.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { APP, BROWSER, PATIENCE, PROVIDER, browserTests } from '../browser.mjs';
import { logIn, logOut, open, openLoggedIn, seesLoggedOut, seesUser, settled } from '../steps.mjs';

const app = process.env.AUTHTOOL_DEMO_APP;
const mode = process.env.AUTHTOOL_DEMO_MODE;
const isRendered = app === 'leptos-ssr';
const where = `${app}, ${mode}`;
const inBrowser = browserTests();
/** Not in every browser: either the others walk the same way, or the server alone decides. */
const testOnce = BROWSER === 'chromium' ? test : () => {};

/** Presses the page's button, and answers the claims of the token that the API received, as the page tells them. */
async function callApi(page) {
  // A page that the server has rendered is there before its buttons work.
  await settled(page);
  const answered = page.waitForResponse((response) => /^\/(api|fn)\//.test(new URL(response.url()).pathname));
  await page.getByRole('button', { name: 'Call the API' }).click();
  const response = await answered;
  assert.equal(response.status(), 200, await response.text());
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
  return { claims: (await response.json()).claims, headers: await response.request().allHeaders() };
}

testOnce(`${where}: log in, look around, log out`, inBrowser(async (context) => {
  const page = await open(context);
  await seesLoggedOut(page);
  await logIn(page, 'grace', 'Grace Hopper');
  assert.equal(page.url(), `${APP}/`);
  await page.reload();
  await seesUser(page, 'Grace Hopper');
  await page.getByRole('link', { name: 'a page of its own' }).click();
  await page.getByRole('row', { name: 'email grace@example.com' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/claims');
  await page.getByRole('link', { name: 'authtool' }).click();
  await logOut(page);
}));

test(`${where}: a page for those who are logged in sends a stranger to the login, and gets them back`, inBrowser(async (context) => {
  const page = await context.newPage();
  await page.goto(`${APP}/claims?x=1#below`);
  await page.waitForURL((url) => url.origin === PROVIDER);
  await page.getByLabel('Login name').fill('ada');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('row', { name: 'email ada@example.com' }).waitFor();
  assert.equal(page.url(), `${APP}/claims?x=1#below`);
}));

test(`${where}: the API is called with a token, which is refreshed`, inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const first = await callApi(page);
  assert.equal(first.claims.sub, 'ada');
  assert.equal('authorization' in first.headers, mode === 'tokenExchange', JSON.stringify(first.headers));
  const deadline = Date.now() + PATIENCE;
  let next;
  do {
    next = await callApi(page);
    assert.ok(Date.now() < deadline, `still the token of ${new Date(first.claims.iat * 1000)}`);
  } while (next.claims.jti === first.claims.jti);
  assert.ok(next.claims.exp > first.claims.exp);
  await seesUser(page, 'Ada Lovelace');
}));

test(`${where}: tabs agree`, inBrowser(async (context) => {
  const first = await openLoggedIn(context);
  const second = await open(context);
  await seesUser(second, 'Ada Lovelace');
  await logOut(first);
  await seesLoggedOut(second);
  await logIn(first, 'radia', 'Radia Perlman');
  await second.bringToFront();
  await seesUser(second, 'Radia Perlman');
}));

test(`${where}: nothing is wrong with the page`, inBrowser(async (context) => {
  const complaints = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !/status of 401/.test(message.text())) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(error.error().stack));
  const page = await openLoggedIn(context);
  await callApi(page);
  await page.reload();
  await settled(page);
  assert.deepEqual(complaints, []);
}));

if (isRendered) {
  test(`${where}: without JavaScript a user logs in, sees the right pages, and logs out`, inBrowser(async (context) => {
    const page = await context.newPage();
    // By keyboard: before a click Playwright waits for frames, by scripts that Firefox does not run then either.
    const press = (role, name) => page.getByRole(role, { name, exact: true }).press('Enter');
    await page.goto(APP);
    await seesLoggedOut(page);
    await press('link', 'Log in');
    // The provider's form says "ada" already.
    await page.getByLabel('Login name').press('Enter');
    await page.waitForURL((url) => url.origin === APP && url.pathname === '/');
    await seesUser(page, 'Ada Lovelace');
    await press('link', 'a page of its own');
    await page.getByRole('row', { name: 'email ada@example.com' }).waitFor();
    await page.goto(APP);
    await press('button', 'Log out');
    await page.waitForURL((url) => url.origin === PROVIDER);
    await press('button', 'Sign out');
    await page.waitForURL((url) => url.origin === APP);
    await seesLoggedOut(page);
    await page.goto(`${APP}/claims`);
    const link = page.getByRole('link', { name: 'Log in' });
    assert.equal(await link.getAttribute('href'), '/bff/login?redirect_uri=%2Fclaims');
  }, { javaScriptEnabled: false }));

  testOnce(`${where}: the first paint is the user's, and no page holds a token`, inBrowser(async (context) => {
    const page = await openLoggedIn(context);
    const { headers } = await callApi(page);
    assert.equal('authorization' in headers, mode === 'tokenExchange');
    const response = await page.request.get(APP, { headers: { 'sec-fetch-site': 'none' } });
    const html = await response.text();
    assert.match(html, /Ada Lovelace/);
    assert.equal(response.headers()['cache-control'], 'no-store');
    assert.match(response.headers()['content-security-policy'], /script-src 'self' 'nonce-/);
    assert.doesNotMatch(html, /eyJ|access_token|refresh_token/);
  }));

  test(`${where}: hydration changes nothing that was painted`, inBrowser(async (context) => {
    const page = await openLoggedIn(context);
    await page.addInitScript(() => {
      window.headings = [];
      document.addEventListener('DOMContentLoaded', () => {
        const look = () => window.headings.push(document.querySelector('h1')?.textContent);
        look();
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
      });
    });
    await page.reload();
    await settled(page);
    assert.deepEqual([...new Set(await page.evaluate(() => window.headings))], ['Hello, Ada Lovelace.']);
  }));
}
