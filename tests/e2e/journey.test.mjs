// Log in, look around, log out.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { APP, PATIENCE, PROVIDER, browserTests } from './browser.mjs';
import { callApi, goThroughHistory, goToProvider, logIn, logOut, open, openLoggedIn, seesLoggedOut, seesUser, settled } from './steps.mjs';

const inBrowser = browserTests();

test('a stranger sees that nobody is logged in, and how to log in', inBrowser(async (context) => {
  const page = await open(context);
  await seesLoggedOut(page);
  assert.equal(await page.title(), 'authtool demo');
  assert.equal(await page.getByRole('button', { name: 'Log out' }).count(), 0);
  const link = new URL(await page.getByRole('link', { name: 'Log in' }).getAttribute('href'));
  assert.equal(link.origin + link.pathname, `${APP}/bff/login`);
}));

test('a login at the provider shows the user by name', inBrowser(async (context) => {
  const page = await openLoggedIn(context, 'grace', 'Grace Hopper');
  assert.equal(page.url(), `${APP}/`);
  assert.equal(await page.title(), 'Grace Hopper · authtool demo');
  const claims = page.getByRole('table', { name: 'Your claims' });
  await claims.getByRole('row', { name: 'email grace@example.com' }).waitFor();
  await page.getByText(/Your session lasts another \d+/).waitFor();
}));

test('an API call carries the token and not the cookie', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const { status, received } = await callApi(page);
  assert.equal(status, 200);
  assert.equal(received.claims.sub, 'ada');
  assert.equal(received.claims.aud, 'https://api.authtool.example');
  assert.match(received.headers.authorization, /^Bearer /);
  assert.equal(received.cookieReceived, false, JSON.stringify(received.headers));
  await page.getByText('Cookie received').waitFor();
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
}));

test('an expired access token is refreshed without anybody noticing', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const first = await callApi(page);
  const deadline = Date.now() + PATIENCE;
  let next;
  do {
    next = await callApi(page);
    assert.equal(next.status, 200);
    assert.ok(Date.now() < deadline, `still the token of ${new Date(first.received.claims.iat * 1000)}`);
  } while (next.received.claims.jti === first.received.claims.jti);
  assert.ok(next.received.claims.exp > first.received.claims.exp);
  await seesUser(page, 'Ada Lovelace');
}));

test('a reload keeps the session', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await page.reload();
  await settled(page);
  await seesUser(page, 'Ada Lovelace');
}));

test('a login from a deep link comes back to it', inBrowser(async (context) => {
  const page = await open(context, '/?view=2&prompt=none#section?x=1&y=a b');
  const before = page.url();
  await logIn(page);
  assert.equal(page.url(), before);
}));

test('a login whose fragment changed after the page was loaded comes back to the new one', inBrowser(async (context) => {
  const page = await open(context);
  await page.evaluate(() => {
    location.hash = 'later';
  });
  await logIn(page);
  assert.equal(page.url(), `${APP}/#later`);
}));

test('a cancelled login says so, once, and the next one works', inBrowser(async (context) => {
  const page = await open(context);
  await goToProvider(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('You cancelled the login').waitFor();
  assert.equal(new URL(page.url()).search, '', 'the code does not stay in the URL');
  await page.reload();
  await seesLoggedOut(page);
  assert.equal(await page.getByText('You cancelled the login').count(), 0);
  await logIn(page);
}));

test('a logout ends the session at the provider, too', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await logOut(page);
  await goToProvider(page);
  // Its form, not a silent way back: it does not know us any more.
  await page.getByLabel('Login name').waitFor();
}));

test('whoever stays signed in at the provider is not asked at the next login', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await logOut(page, 'Stay signed in');
  await page.getByRole('link', { name: 'Log in' }).click();
  await seesUser(page, 'Ada Lovelace');
}));

test('the session is over for its cookie, not only for the page', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const cookies = await context.cookies(APP);
  await logOut(page);
  await context.addCookies(cookies);
  await page.reload();
  await seesLoggedOut(page);
}));

test('going back after a logout shows no user', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await logOut(page);
  await page.evaluate(() => {
    window.beforeGoingBack = true;
  });
  // Past the provider's page, which would only lead forward again, to the app as it was left.
  await goThroughHistory(page, -2, () => window.beforeGoingBack === undefined);
  await seesLoggedOut(page);
  assert.equal(page.url(), `${APP}/`);
  assert.doesNotMatch(await page.content(), /Ada Lovelace/);
}));

test('a page that comes back from the browser\'s memory looks again who is logged in', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await page.evaluate(() => {
    window.keptInMemory = true;
  });
  await page.goto(`${PROVIDER}/.well-known/openid-configuration`);
  await context.clearCookies();
  await goThroughHistory(page, -1, () => window.keptInMemory === true);
  await seesLoggedOut(page);
  assert.doesNotMatch(await page.content(), /Ada Lovelace/);
}));

test('the next user sees nothing of the one before', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await logOut(page);
  await logIn(page, 'alan', 'Alan Turing');
  const { received } = await callApi(page);
  assert.equal(received.claims.sub, 'alan');
  assert.doesNotMatch(await page.content(), /ada|lovelace/i);
}));

test('an outage of the login server logs nobody out', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await context.route('**/bff/session', (route) => route.fulfill({ status: 503, headers: { 'retry-after': '1' } }));
  // Coming back online is one of the moments at which the client looks again.
  await context.setOffline(true);
  await context.setOffline(false);
  await page.getByText('The login server does not answer').waitFor();
  await seesUser(page, 'Ada Lovelace');
  await context.unroute('**/bff/session');
  // By itself, without the button.
  await page.getByText('The login server does not answer').waitFor({ state: 'detached' });
  await seesUser(page, 'Ada Lovelace');
}));

test('everything can be reached and used by keyboard', inBrowser(async (context) => {
  const page = await open(context);
  await seesLoggedOut(page);
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());
  const tabTo = async (label) => {
    for (let presses = 0; presses < 10 && (await focused()) !== label; presses += 1) await page.keyboard.press('Tab');
    assert.equal(await focused(), label);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', `the focus on "${label}" is visible`);
    await page.keyboard.press('Enter');
  };
  await tabTo('Log in');
  // The provider's form has the focus in its field already.
  await page.getByLabel('Login name').waitFor();
  await page.keyboard.press('Enter');
  await seesUser(page, 'Ada Lovelace');
  await tabTo('Call the API');
  await page.getByText('Cookie received').waitFor();
  await page.locator('body').click({ position: { x: 1, y: 1 } });
  await tabTo('Log out');
  await page.getByRole('heading', { name: 'Sign out here too?' }).waitFor();
}));
