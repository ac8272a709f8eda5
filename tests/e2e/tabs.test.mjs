// Several tabs of one user.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browserTests } from './browser.mjs';
import { logIn, logOut, open, openLoggedIn, seesLoggedOut, seesUser } from './steps.mjs';

const inBrowser = browserTests();

test('a second tab is logged in', inBrowser(async (context) => {
  await openLoggedIn(context);
  const second = await open(context);
  await seesUser(second, 'Ada Lovelace');
}));

test('a logout in one tab logs the other out, without a reload', inBrowser(async (context) => {
  const first = await openLoggedIn(context);
  const second = await open(context);
  await seesUser(second, 'Ada Lovelace');
  await second.evaluate(() => {
    window.sameDocument = true;
  });
  await logOut(first);
  await seesLoggedOut(second);
  assert.equal(await second.evaluate(() => window.sameDocument), true);
}));

test('a login in one tab shows in the other', inBrowser(async (context) => {
  const first = await open(context);
  const second = await open(context);
  await seesLoggedOut(second);
  await logIn(first);
  await second.bringToFront();
  await seesUser(second, 'Ada Lovelace');
}));

test('two logins that are under way at once both succeed', inBrowser(async (context) => {
  const first = await open(context);
  const second = await open(context);
  const provider = (page) => page.getByLabel('Login name');
  for (const page of [first, second]) {
    await page.getByRole('link', { name: 'Log in' }).click();
    await provider(page).waitFor();
  }
  for (const page of [first, second]) {
    await provider(page).fill('radia');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await seesUser(page, 'Radia Perlman');
  }
}));
