// Pictures of every page, for people to look at: target/e2e/screenshots.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';

import { APP, PICTURES, browserTests } from './browser.mjs';
import { callApi, goToProvider, logIn, open, seesLoggedOut, seesUser } from './steps.mjs';

const inBrowser = browserTests();
const folder = `${PICTURES}screenshots/`;

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const options = { viewport, colorScheme, reducedMotion: 'reduce', deviceScaleFactor: size === 'phone' ? 2 : 1 };

    test(`every page fits a ${size} in ${colorScheme} colours`, inBrowser(async (context) => {
      await mkdir(folder, { recursive: true });
      const picture = async (page, name) => {
        const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        await page.screenshot({ path: `${folder}${name}-${size}-${colorScheme}.png`, fullPage: true });
        assert.ok(content <= width, `${name} is ${content} px wide on a screen of ${width} px`);
      };

      const page = await open(context);
      await seesLoggedOut(page);
      await picture(page, 'logged-out');

      await goToProvider(page);
      await page.getByLabel('Login name').waitFor();
      await picture(page, 'provider-login');
      await page.goto(APP);
      await logIn(page);
      await picture(page, 'logged-in');

      await callApi(page);
      await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
      await picture(page, 'api-called');

      await context.route('**/bff/session', (route) => route.abort());
      await page.reload();
      await page.getByText('The login server does not answer').waitFor();
      await picture(page, 'unavailable');
      await context.unroute('**/bff/session');
      await page.getByRole('button', { name: 'Try now' }).click();
      await seesUser(page, 'Ada Lovelace');

      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('heading', { name: 'Sign out here too?' }).waitFor();
      await picture(page, 'provider-logout');
      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await seesLoggedOut(page);

      await page.goto(new URL('/?error=access_denied&correlation_id=01JD8Q3V6M', page.url()).href);
      await page.getByText('You cancelled the login').waitFor();
      await picture(page, 'failed-login');
    }, options));
  }
}
