// What a page of another site can do to a logged-in user.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { APP, browserTests } from './browser.mjs';
import { open, openLoggedIn, seesUser } from './steps.mjs';

const inBrowser = browserTests();

// On 127.0.0.1, which is another site than localhost.
let attacker;
let server;

before(async () => {
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>elsewhere</title>
      <a id="logout" href="${APP}/bff/logout">Win a prize</a>
      <a id="home" href="${APP}/">The app</a>
      <form id="post" method="post" action="${APP}/bff/logout"><button>Win more</button></form>
      <form id="api" method="post" action="${APP}/api/whoami"><button>Win most</button></form>`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  attacker = `http://127.0.0.1:${server.address().port}/`;
});
after(() => server.close());

async function stillLoggedIn(context) {
  const page = await open(context);
  await seesUser(page, 'Ada Lovelace');
}

async function attackerPage(context) {
  const page = await context.newPage();
  await page.goto(attacker);
  return page;
}

test('a link from another site to the logout does not log out', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  const answered = page.waitForResponse(`${APP}/bff/logout`);
  await page.locator('#logout').click();
  await answered;
  await page.waitForLoadState();
  await stillLoggedIn(context);
}));

test('a form of another site that posts to the logout does not log out', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  const answered = page.waitForResponse(`${APP}/bff/logout`);
  await page.locator('#post button').click();
  await answered;
  await page.waitForLoadState();
  await stillLoggedIn(context);
}));

test('images, frames and fetches of another site do not log out', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  await page.evaluate(async (logout) => {
    const loaded = (element) =>
      new Promise((resolve) => {
        element.onload = resolve;
        element.onerror = resolve;
        document.body.append(element);
      });
    await loaded(Object.assign(new Image(), { src: logout }));
    await loaded(Object.assign(document.createElement('iframe'), { src: logout }));
    for (const method of ['GET', 'POST']) {
      await fetch(logout, { method, mode: 'no-cors', credentials: 'include' }).catch(() => {});
    }
  }, `${APP}/bff/logout`);
  await stillLoggedIn(context);
}));

test('a form of another site cannot call the API in the user\'s name', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  const answered = page.waitForResponse(`${APP}/api/whoami`);
  await page.locator('#api button').click();
  const response = await answered;
  assert.ok([401, 403].includes(response.status()), `status ${response.status()}`);
}));

test('another site cannot read the session', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  const outcome = await page.evaluate(
    (url) => fetch(url, { credentials: 'include' }).then((response) => response.text(), () => 'blocked'),
    `${APP}/bff/session`,
  );
  assert.equal(outcome, 'blocked');
}));

test('another site cannot show the app in a frame', inBrowser(async (context) => {
  const page = await attackerPage(context);
  await page.evaluate((url) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src: url }));
  }, APP);
  const frame = await page.locator('iframe').elementHandle();
  const content = await frame.contentFrame();
  await content.waitForLoadState();
  assert.equal(await content.locator('#view').count(), 0);
}));

test('a link from another site to the app finds the user logged in', inBrowser(async (context) => {
  await openLoggedIn(context);
  const page = await attackerPage(context);
  await page.locator('#home').click();
  // The cookie is Strict, so it does not come with this navigation; the page's own fetch has it.
  await seesUser(page, 'Ada Lovelace');
}));
