// Users of the system that authtool replaces switch by an image's name and an import: its published configuration file, its Envoy
// with only its three gateway settings, and an app written against its browser client's published interface, in both modes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { BROWSER, browserTests } from '../browser.mjs';
import { ROOT } from '../programs.mjs';
import { startSite } from './site.mjs';

const USER = 'ada@example.com';
const inBrowser = browserTests();
/** For what does not depend on the browser. */
const testOnce = BROWSER === 'chromium' ? test : () => {};

/** The text of an element, once it is the wanted one. */
const sees = (page, id, text) =>
  page.waitForFunction(([id, text]) => document.getElementById(id)?.textContent === text, [id, text]);

/** Presses a button that shows an answer of the form `status body`, and returns the two. */
async function answer(page, label, id) {
  await page.evaluate((id) => document.getElementById(id)?.replaceChildren(), id);
  await page.getByRole('button', { name: label, exact: true }).click();
  const text = await page.waitForFunction((id) => document.getElementById(id)?.textContent, id).then((handle) => handle.jsonValue());
  const [, status, body] = /^(\d{3}) (.*)$/s.exec(text) ?? [];
  return { text, status: Number(status), body, json: () => JSON.parse(body) };
}

const follow = (page, name) => page.getByRole('link', { name, exact: true }).click();

async function logIn(page, site, name = 'core') {
  await page.goto(`${site.origin}/${name}?view=2#part`);
  await follow(page, 'log in');
  await page.getByLabel('Login name').fill('ada');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${site.origin}/${name}?view=2#part`);
  await sees(page, 'status', 'authenticated');
}

async function logOut(page, site) {
  await follow(page, 'log out');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${site.origin}/`);
  await sees(page, 'started', 'unauthenticated');
}

testOnce('the app compiles as strictly as the compiler can', async () => {
  const compiler = join(ROOT, 'npm/node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [compiler, '--project', join(import.meta.dirname, 'app')]).catch(({ stdout, message }) => assert.fail(stdout || message));
});

for (const mode of ['bff', 'tokenExchange']) {
  describe(mode, () => {
    let site;
    before(async () => {
      site = await startSite(mode);
    });
    after(() => site?.stop());

    test('a stranger is nobody, to the app and to the API', inBrowser(async (context) => {
      const page = await context.newPage();
      await page.goto(`${site.origin}/core`);
      await sees(page, 'started', 'unauthenticated');
      await sees(page, 'changes', 'unauthenticated');
      await sees(page, 'base', '/bff');
      await page.getByRole('button', { name: 'who am I' }).click();
      await sees(page, 'user', 'nobody');
      // Of jwt_authn, behind which nothing came.
      assert.equal((await answer(page, 'call the API', 'api')).status, 401);
      assert.equal((await answer(page, 'fetch the token', 'token')).status, mode === 'bff' ? 404 : 401);
      const [login, logout] = await Promise.all(['log in', 'log out'].map((name) => page.getByRole('link', { name, exact: true }).getAttribute('href')));
      assert.equal(login, `${site.origin}/bff/login?redirect_uri=${encodeURIComponent(`${site.origin}/core`)}`);
      assert.equal(logout, `${site.origin}/bff/logout`);
    }));

    testOnce('a silent login finds nobody, and after a real one the user', inBrowser(async (context) => {
      const page = await context.newPage();
      await page.goto(`${site.origin}/core`);
      await follow(page, 'log in silently');
      await page.waitForURL(/login_required/);
      await sees(page, 'started', 'unauthenticated');

      await logIn(page, site);
      await context.clearCookies({ name: '__Host-session_id' });
      await page.goto(`${site.origin}/core`);
      await sees(page, 'started', 'unauthenticated');
      await follow(page, 'log in silently');
      await sees(page, 'status', 'authenticated');
    }));

    test('a login, calls of the API, and a logout', inBrowser(async (context) => {
      const page = await context.newPage();
      await logIn(page, site);
      await page.getByRole('button', { name: 'who am I' }).click();
      await sees(page, 'user', USER);
      assert.match(await page.locator('#changes').textContent(), /^authenticated$/);

      const called = await answer(page, 'call the API', 'api');
      assert.equal(called.status, 200, called.text);
      const { claims, authorization, cookie } = called.json();
      assert.deepEqual([claims.sub, claims.iss, authorization, cookie], ['ada', site.issuer, '', '']);

      const token = await answer(page, 'fetch the token', 'token');
      const own = await answer(page, 'call the API with a token', 'api');
      if (mode === 'bff') {
        assert.equal(token.status, 404, token.text);
        assert.match(own.text, /wrong_mode/);
      } else {
        assert.equal(token.json().token_type, 'Bearer', token.text);
        assert.equal(own.json().claims.sub, 'ada', own.text);
      }

      await logOut(page, site);
      await page.goto(`${site.origin}/core`);
      await sees(page, 'started', 'unauthenticated');
      assert.equal((await answer(page, 'call the API', 'api')).status, 401);
    }));

    testOnce('a machine with a token of its own passes the same gateway, at its prefix alone', async () => {
      const token = await site.machineToken();
      const call = (path, authorization, headers = {}) =>
        fetch(`${site.origin}${path}`, { headers: { ...(authorization && { authorization: `Bearer ${authorization}` }), ...headers } });
      const passed = await call('/api/batch/1', token);
      assert.equal(passed.status, 200, await passed.clone().text());
      const { claims } = await passed.json();
      assert.deepEqual([claims.sub, claims.iss], ['nightly-batch', site.issuer]);
      const forged = `${token.slice(0, -8)}${token.slice(-8).split('').reverse().join('')}`;
      for (const [path, authorization, headers] of [
        ['/api/batch/1', forged],
        ['/api/batch/1', undefined],
        // A session that has ended counts, and the token beside it does not.
        ['/api/batch/1', token, { cookie: '__Host-session_id=ended' }],
        ['/api/orders', token],
      ]) {
        assert.equal((await call(path, authorization, headers)).status, 401, `${path} ${JSON.stringify(headers)}`);
      }
    });

    test('the same in React', inBrowser(async (context) => {
      const page = await context.newPage();
      await page.goto(`${site.origin}/react`);
      await sees(page, 'stranger', 'a stranger');
      await sees(page, 'gate', 'closed');
      await sees(page, 'context', 'nobody');
      await logIn(page, site, 'react');
      await sees(page, 'followed', 'authenticated');
      for (const id of ['context', 'hook']) await sees(page, id, USER);
      await sees(page, 'gate', `open to ${USER}`);
      await sees(page, 'base', '/bff');
      assert.equal(await page.locator('#stranger').count(), 0);
      const called = await answer(page, 'call the API', 'api');
      assert.equal(called.json().claims.sub, 'ada', called.text);
      await logOut(page, site);
      await page.goto(`${site.origin}/react`);
      await sees(page, 'context', 'nobody');
    }));

    // The last: the server is gone from here on.
    test('an outage is an error of its own and no missing session, and pages stay available', inBrowser(async (context) => {
      const page = await context.newPage();
      await logIn(page, site);
      await site.stopServer();
      await page.getByRole('button', { name: 'look again' }).click();
      await sees(page, 'status', 'unavailable');
      await sees(page, 'error', 'false server');
      await page.getByRole('button', { name: 'who am I' }).click();
      // Still known.
      await sees(page, 'user', USER);

      // With the session's cookie, past the Lua module: the page is there, and the API is not.
      const opened = await page.goto(`${site.origin}/core`);
      assert.equal(opened.status(), 200);
      await sees(page, 'started', 'unavailable');
      assert.equal((await answer(page, 'call the API', 'api')).status, 401);
    }));
  });
}
