// The React example, in whichever mode it was started: pages, guards, and calls of the API.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { APP, PATIENCE, PROVIDER, browserTests } from '../browser.mjs';
import { callApi, goThroughHistory, open, openLoggedIn, seesLoggedOut, seesUser, settled } from '../steps.mjs';

const inBrowser = browserTests();
const MODE = process.env.AUTHTOOL_DEMO_MODE;
/** The demo's, three ports above the app. */
const API = MODE === 'bff' ? APP : `http://127.0.0.1:${Number(new URL(APP).port) + 3}`;

const heading = (page, name) => page.getByRole('heading', { level: 1, name });
const visit = (page, name) => page.getByRole('navigation').getByRole('link', { name }).click();

async function signIn(page) {
  await page.waitForURL((url) => url.origin === PROVIDER);
  await page.getByLabel('Login name').fill('ada');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.origin === APP);
}

test('the start is for everybody, and says who is logged in', inBrowser(async (context) => {
  const page = await open(context);
  await seesLoggedOut(page);
  await page.getByText(`${MODE} mode`).waitFor();
  await page.getByRole('link', { name: 'Log in' }).click();
  await signIn(page);
  await seesUser(page, 'Ada Lovelace');
  assert.equal(await page.title(), 'Ada Lovelace · authtool demo');
}));

test('a protected page leads a stranger to the login, and the login back to it', inBrowser(async (context) => {
  const page = await context.newPage();
  const sessions = [];
  page.on('request', (request) => {
    if (request.url() === `${APP}/bff/session`) sessions.push(request);
  });
  await page.goto(`${APP}/account?tab=1#claims`);
  await signIn(page);
  assert.equal(page.url(), `${APP}/account?tab=1#claims`);
  await page.getByRole('table', { name: 'Your claims' }).getByRole('row', { name: 'email ada@example.com' }).waitFor();
  assert.equal(sessions.length, 2, 'one look on each visit');
}));

test('from page to page nothing is loaded anew, and the focus follows', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await page.evaluate(() => {
    window.sameDocument = true;
  });
  await visit(page, 'Account');
  await heading(page, 'Account').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.localName), 'main');
  assert.equal(await page.title(), 'Account · authtool demo');
  await visit(page, 'Orders');
  await heading(page, 'Orders').waitFor();
  assert.equal(await page.getByRole('navigation').getByRole('link', { name: 'Orders' }).getAttribute('aria-current'), 'page');
  assert.ok(await page.evaluate(() => window.sameDocument));
}));

test('the API receives the token and no cookie, and a body arrives whole', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Orders');
  const { status, received } = await callApi(page);
  assert.equal(status, 200);
  assert.equal(received.claims.sub, 'ada');
  assert.match(received.headers.authorization, /^Bearer /);
  assert.equal(received.cookieReceived, false);

  await page.getByRole('textbox', { name: 'What' }).fill('Tea, "hot"');
  await page.getByRole('button', { name: 'Send the order' }).click();
  await page.getByText('{"what":"Tea, \\"hot\\""}', { exact: true }).waitFor();
}));

test('an expired access token is renewed without anybody noticing', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Orders');
  const first = await callApi(page);
  const deadline = Date.now() + PATIENCE;
  let next;
  do {
    next = await callApi(page);
    assert.equal(next.status, 200);
    assert.ok(Date.now() < deadline, `still the token of ${new Date(first.received.claims.iat * 1000)}`);
  } while (next.received.claims.jti === first.received.claims.jti);
}));

test('no script of the page can find a token', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Orders');
  const bearers = [];
  page.on('request', async (request) => bearers.push((await request.allHeaders()).authorization));
  await callApi(page);
  const found = await page.evaluate(() =>
    JSON.stringify([
      Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, history.state, location.href,
      document.documentElement.outerHTML,
    ]),
  );
  const token = bearers.find(Boolean)?.slice('Bearer '.length);
  if (MODE === 'bff') assert.equal(token, undefined, 'the browser sent a token');
  else assert.ok(token.length > 100 && !found.includes(token));
  assert.doesNotMatch(found, /eyJ[\w-]{100,}/);
}));

test('an API that fails is told about, and works again when it does', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Orders');
  const call = page.getByRole('button', { name: 'Call the API' });
  await context.route(`${API}/api/**`, (route) => route.abort());
  await call.click();
  await page.getByText('The API cannot be reached').waitFor();
  await context.unroute(`${API}/api/**`);
  await context.route(`${API}/api/**`, (route) =>
    route.fulfill({ status: 503, body: '{}', headers: { 'access-control-allow-origin': APP } }));
  await call.click();
  await page.getByText('The API answered with status 503.').waitFor();
  await context.unroute(`${API}/api/**`);
  await call.click();
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
}));

test('an outage of the login server leaves the user on the page', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Account');
  await context.route('**/bff/session', (route) => route.fulfill({ status: 503, body: '{}' }));
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
  await page.getByText('The login server does not answer').waitFor();
  await page.getByRole('table', { name: 'Your claims' }).waitFor();
  await context.unroute('**/bff/session');
  await page.getByRole('button', { name: 'Try now' }).click();
  await page.getByText('The login server does not answer').waitFor({ state: 'detached' });
}));

test('whoever was here when the session ended is told so, and comes back to the same page', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await visit(page, 'Orders');
  await context.clearCookies({ name: /session_id/ });
  await page.getByRole('button', { name: 'Call the API' }).click();
  await heading(page, 'Your session has ended.').waitFor();
  assert.equal(page.url(), `${APP}/orders`);
  await page.getByRole('link', { name: 'Log in' }).click();
  // The provider still knows the user.
  await heading(page, 'Orders').waitFor();
}));

test('cookies that are not kept end in words, not in a loop', inBrowser(async (context) => {
  const page = await context.newPage();
  await context.route('**/bff/login**', (route) => route.fulfill({ status: 302, headers: { location: '/account' } }));
  await page.goto(`${APP}/account`);
  await heading(page, 'The login does not hold.').waitFor();
}));

test('a logout in one tab ends the other', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const other = await open(context, '/account');
  await other.getByRole('table', { name: 'Your claims' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await heading(other, 'Your session has ended.').waitFor();
}));

test('going back after a logout shows no user', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL((url) => url.origin === PROVIDER);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.waitForURL((url) => url.origin === APP);
  await seesLoggedOut(page);
  await page.evaluate(() => {
    window.beforeGoingBack = true;
  });
  await goThroughHistory(page, -2, () => window.beforeGoingBack === undefined);
  await seesLoggedOut(page);
  assert.doesNotMatch(await page.content(), /Ada Lovelace/);
}));

test('a failed login says so, once', inBrowser(async (context) => {
  const page = await open(context, '/?error=access_denied&correlation_id=01JD8Q3V6M');
  await page.getByText('You cancelled the login').waitFor();
  assert.equal(page.url(), `${APP}/`);
  await page.reload();
  await settled(page);
  assert.equal(await page.getByText('You cancelled the login').count(), 0);
}));

test('an address that leads nowhere says so', inBrowser(async (context) => {
  const page = await open(context, '/nowhere');
  await heading(page, 'There is no such page.').waitFor();
  await page.getByRole('link', { name: 'To the start' }).click();
  await seesLoggedOut(page);
}));
