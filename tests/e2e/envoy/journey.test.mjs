// A user's journey through Envoy, with two servers behind it that share their sessions.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { APP, BROWSER, PATIENCE, browserTests } from '../browser.mjs';
import { callApi, fetchFromPage, logIn, logOut, open, openLoggedIn, seesLoggedOut, seesUser } from '../steps.mjs';

const mode = process.env.AUTHTOOL_DEMO_MODE;
const [replica] = (process.env.AUTHTOOL_DEMO_REPLICAS ?? '').split(' ');
const where = `envoy, ${mode}`;
const inBrowser = browserTests();
const testOnce = BROWSER === 'chromium' ? test : () => {};

/** A call of the API by the page's own script: to the page's origin, with nothing but the cookie. */
async function callThroughGateway(page) {
  const { status, body } = await fetchFromPage(page, '/api/whoami', { headers: { 'x-authtool-csrf': '1' } });
  return { status, body, received: status === 200 ? JSON.parse(body) : undefined };
}

async function received(page) {
  const answer = await callThroughGateway(page);
  assert.equal(answer.status, 200, answer.body);
  return answer.received;
}

test(`${where}: log in, call the API, log out in both tabs`, inBrowser(async (context) => {
  const complaints = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !/status of 401/.test(message.text())) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(error.error().stack));
  const page = await openLoggedIn(context, 'grace', 'Grace Hopper');
  const { claims, headers, cookieReceived } = await received(page);
  assert.equal(claims.sub, 'grace');
  assert.match(headers.authorization, /^Bearer /);
  assert.equal(cookieReceived, false, JSON.stringify(headers));

  await page.getByRole('link', { name: 'See your orders' }).click();
  const shown = await callApi(page);
  assert.equal(shown.received.claims.sub, 'grace');
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
  await page.getByRole('link', { name: /authtool/ }).first().click();

  const second = await open(context);
  await seesUser(second, 'Grace Hopper');
  assert.equal((await callThroughGateway(second)).status, 200);
  assert.deepEqual(complaints, []);

  await logOut(page);
  await seesLoggedOut(second);
  for (const tab of [page, second]) assert.equal((await callThroughGateway(tab)).status, 401);
}));

testOnce(`${where}: an expired access token is refreshed on the way`, inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const first = await received(page);
  const deadline = Date.now() + PATIENCE;
  let next;
  do {
    next = await received(page);
    assert.ok(Date.now() < deadline, `still the token of ${new Date(first.claims.iat * 1000)}`);
  } while (next.claims.jti === first.claims.jti);
  assert.ok(next.claims.exp > first.claims.exp);
}));

testOnce(`${where}: what the page gets comes from Envoy, and the token endpoint only for whom the mode allows`, inBrowser(async (context) => {
  const page = await context.newPage();
  assert.equal((await page.goto(APP)).headers().server, 'envoy');
  await seesLoggedOut(page);
  await logIn(page);
  const { status, body } = await fetchFromPage(page, '/bff/token', { headers: { 'x-authtool-csrf': '1' } });
  assert.equal(status, mode === 'bff' ? 404 : 200, body);
}));

// The last: one of the two servers is gone from here on.
testOnce(`${where}: one server is killed, and nobody notices`, inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  await received(page);
  process.kill(Number(replica), 'SIGKILL');
  const end = Date.now() + 5_000;
  while (Date.now() < end) {
    await received(page);
    for (const path of ['/bff/session', '/', '/favicon.svg']) {
      const { status, body } = await fetchFromPage(page, path, { headers: { 'x-authtool-csrf': '1' } });
      assert.equal(status, 200, `${path}: ${body}`);
    }
  }
  await page.reload();
  await seesUser(page, 'Ada Lovelace');
  await logOut(page);
  await logIn(page, 'alan', 'Alan Turing');
  assert.equal((await received(page)).claims.sub, 'alan');
}));
