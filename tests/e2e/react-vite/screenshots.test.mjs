// Pictures of every page of the React example, for people to look at: target/e2e/screenshots.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';

import { APP, PICTURES, browserTests } from '../browser.mjs';
import { callApi, logIn, open, seesLoggedOut } from '../steps.mjs';

const inBrowser = browserTests();
const folder = `${PICTURES}screenshots/`;
const MODE = process.env.AUTHTOOL_DEMO_MODE;

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const options = { viewport, colorScheme, reducedMotion: 'reduce', deviceScaleFactor: size === 'phone' ? 2 : 1 };

    test(`every page fits a ${size} in ${colorScheme} colours`, inBrowser(async (context) => {
      await mkdir(folder, { recursive: true });
      const picture = async (page, name) => {
        const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        await page.screenshot({ path: `${folder}react-${MODE}-${name}-${size}-${colorScheme}.png`, fullPage: true });
        assert.ok(content <= width, `${name} is ${content} px wide on a screen of ${width} px`);
      };
      const refused = [];
      context.on('console', (message) => {
        if (/Content Security Policy/.test(message.text())) refused.push(message.text());
      });

      const page = await open(context);
      await seesLoggedOut(page);
      await picture(page, 'logged-out');
      await logIn(page);
      await picture(page, 'start');

      const visit = (name) => page.getByRole('navigation').getByRole('link', { name }).click();
      await visit('Account');
      await page.getByRole('table', { name: 'Your claims' }).waitFor();
      await picture(page, 'account');

      await visit('Orders');
      await callApi(page);
      await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
      await picture(page, 'orders');

      await context.route('**/bff/session', (route) => route.abort());
      await page.reload();
      await page.getByText('The login server does not answer').waitFor();
      await picture(page, 'unavailable');
      await context.unroute('**/bff/session');

      await page.goto(`${APP}/nowhere?error=access_denied&correlation_id=01JD8Q3V6M`);
      await page.getByRole('heading', { name: 'There is no such page.' }).waitFor();
      await picture(page, 'not-found');

      await page.goto(`${APP}/orders`);
      await page.getByRole('button', { name: 'Call the API' }).waitFor();
      await context.clearCookies({ name: /session_id/ });
      await page.getByRole('button', { name: 'Call the API' }).click();
      await page.getByRole('heading', { name: 'Your session has ended.' }).waitFor();
      await picture(page, 'ended');
      assert.deepEqual(refused, []);
    }, options));
  }
}
