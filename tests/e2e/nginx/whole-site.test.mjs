// The whole site behind nginx, with the default cookie (`__Host-`, Strict), at the root of its host and below a path: a
// navigation that comes back from the provider does not bring that cookie along, and must not go round in circles. Neither
// does the provider's own form, where answers are posted.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browserTests } from '../browser.mjs';
import { startSite } from './site.mjs';

const inBrowser = browserTests();

for (const { where, base, client } of [
  { where: 'at the root', base: '' },
  { where: 'below /myapp', base: '/myapp' },
  { where: 'with posted answers', base: '', client: { responseMode: 'form_post' } },
]) {
  let site;
  before(async () => {
    site = await startSite(base, client);
  });
  after(async () => {
    await site?.stop();
  });

  test(`${where}: a stranger who opens a page logs in once, is shown that page, and goes on`, inBrowser(async (context) => {
    const page = await context.newPage();
    let logins = 0;
    page.on('framenavigated', (frame) => {
      if (frame.url().startsWith(`${site.issuer}/interaction/`)) logins += 1;
    });
    await page.goto(`${site.origin}${base}/orders?a=1&b=x%20y`);
    await page.getByLabel('Login name').fill('ada');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'The site' }).waitFor();
    assert.equal(page.url(), `${site.origin}${base}/orders?a=1&b=x%20y`);
    assert.equal(await page.locator('#path').textContent(), `${base}/orders?a=1&b=x%20y`);
    assert.equal(await page.locator('#token').textContent(), 'with a token');
    assert.equal(await page.locator('#cookies').textContent(), 'no cookies');
    assert.equal(logins, 1, 'the provider asked once');

    const [cookie] = (await context.cookies(site.origin)).filter(({ name }) => name === '__Host-session_id');
    assert.deepEqual([cookie.sameSite, cookie.secure, cookie.httpOnly, cookie.path], ['Strict', true, true, '/']);

    await page.getByRole('link', { name: 'next page' }).click();
    await page.waitForURL(`${site.origin}${base}/next`);
    await page.getByRole('heading', { name: 'The site' }).waitFor();
    await page.goto(`${site.origin}${base}/typed`);
    await page.getByRole('heading', { name: 'The site' }).waitFor();

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    // Back at the site, which is closed again.
    await page.getByLabel('Login name').waitFor();
    assert.equal(new URL(page.url()).origin, site.issuer);
  }));

  test(`${where}: a script of a page that has lost its session is told 401, and not sent to the login`, inBrowser(async (context) => {
    const page = await context.newPage();
    await page.goto(`${site.origin}${base}/`);
    await page.getByLabel('Login name').fill('grace');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'The site' }).waitFor();
    await context.clearCookies();
    const answer = await page.evaluate(async (url) => {
      const response = await fetch(url);
      return { status: response.status, redirected: response.redirected };
    }, `${base}/data.json`);
    assert.deepEqual(answer, { status: 401, redirected: false });
  }));
}
