// Several tabs that hold a token of their own, with the real server and provider behind them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { APP, browserTests } from '../browser.mjs';
import { open, openLoggedIn } from '../steps.mjs';

const inBrowser = browserTests();
const client = await readFile(new URL('../../../npm/dist/index.js', import.meta.url), 'utf8');

/** A manager beside the app's own, which has never asked for a token. */
async function withManager(page) {
  await page.route('**/client-under-test.js', (route) => route.fulfill({ contentType: 'text/javascript', body: client }));
  await page.evaluate(async () => {
    const { init } = await import('/client-under-test.js');
    window.own = init({ baseUrl: '/bff', mode: 'tokenExchange' });
    await window.own.start();
  });
}

test('sec_180_five_tabs_whose_token_has_ended_cause_one_refresh', inBrowser(async (context) => {
  const tabs = [await openLoggedIn(context)];
  while (tabs.length < 5) tabs.push(await open(context));
  for (const tab of tabs) await withManager(tab);

  // As the server has it now, and for how long yet.
  const { access_token: before, expires_in: seconds } = await tabs[0].evaluate(async (url) => {
    const response = await fetch(url, { headers: { 'x-authtool-csrf': '1' } });
    return response.json();
  }, `${APP}/bff/token`);
  await new Promise((resolve) => setTimeout(resolve, (seconds + 1) * 1_000));

  const tokens = await Promise.all(tabs.map((tab) => tab.evaluate(() => window.own.getAccessToken())));
  assert.equal(new Set(tokens).size, 1, 'more than one refresh');
  assert.notEqual(tokens[0], before);
}));
