// Pictures of every page for people to look at, in target/e2e/screenshots: on a desktop and a phone, light and dark.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';

import { PICTURES } from './browser.mjs';

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/**
 * Walks through an app's pages once for each kind of screen. `walk` gets the context and a function that takes the picture
 * of a page and fails if the page has to be scrolled sideways.
 */
export function picturesOf(app, inBrowser, walk) {
  const prefix = app && `${app}-`;
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const options = { viewport, colorScheme, reducedMotion: 'reduce', deviceScaleFactor: size === 'phone' ? 2 : 1 };
      const take = async (page, name) => {
        const folder = `${PICTURES}screenshots/`;
        await mkdir(folder, { recursive: true });
        await page.screenshot({ path: `${folder}${prefix}${name}-${size}-${colorScheme}.png`, fullPage: true });
        const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(content <= width, `${name} is ${content} px wide on a screen of ${width} px`);
      };
      test(`${prefix}every page fits a ${size} in ${colorScheme} colours`, inBrowser((context) => walk(context, take), options));
    }
  }
}
