// Sessions that end a little later than the client's notice of a minute.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';

import { PATIENCE, PICTURES, browserTests } from '../browser.mjs';
import { openLoggedIn, seesUser } from '../steps.mjs';

const inBrowser = browserTests();

test('before the session ends it is asked for, and an answer extends it', inBrowser(async (context) => {
  const page = await openLoggedIn(context);
  const dialog = page.getByRole('dialog', { name: 'Are you still there?' });
  // After a quarter of a minute, and before the session ends.
  await dialog.waitFor({ timeout: PATIENCE });
  await dialog.getByText(/Your session ends in \d+ seconds|1 minute/).waitFor();
  assert.ok(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)), 'the focus is elsewhere');
  await mkdir(`${PICTURES}screenshots/`, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize(viewport);
      await page.screenshot({ path: `${PICTURES}screenshots/react-expiry-${size}-${colorScheme}.png` });
    }
  }
  const answered = page.waitForResponse('**/bff/session');
  await dialog.getByRole('button', { name: 'Stay logged in' }).click();
  assert.equal((await answered).status(), 200);
  await dialog.waitFor({ state: 'hidden' });
  await seesUser(page, 'Ada Lovelace');
}));
