// The browser, and what every test does with it.
import { mkdir } from 'node:fs/promises';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium, firefox } from 'playwright-core';

/** Where the demo listens. */
export const APP = new URL(process.env.AUTHTOOL_DEMO_URL ?? 'http://localhost:3000').origin;

/** The server's internal listener, one port above. */
export const INTERNAL = `http://127.0.0.1:${Number(new URL(APP).port) + 1}`;

/** The provider's origin, two ports above: another host name, hence another site. */
export const PROVIDER = `http://127.0.0.1:${Number(new URL(APP).port) + 2}`;

/** Pictures: of the pages, and of what the browser showed when a test failed. */
export const PICTURES = fileURLToPath(new URL('../../target/e2e/', import.meta.url));

/** How long anything may take to appear. It only ends a test that hangs: on a busy machine a page takes several seconds. */
export const PATIENCE = 60_000;

/** `chromium` or `firefox`. */
export const BROWSER = process.env.AUTHTOOL_BROWSER ?? 'chromium';

const LAUNCH = {
  chromium: () =>
    chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // Playwright turns bfcache off, but users have it.
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    }),
  // The Firefox that users have, by WebDriver BiDi; Playwright's own protocol needs a Firefox of its own. 1.64 is the last
  // Playwright that says nothing to it that an ESR of 153 does not know (`emulation.setMediaFeaturesOverride`).
  firefox: (firefoxUserPrefs = {}) =>
    firefox.launch({ channel: 'moz-firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox', firefoxUserPrefs }),
};

/**
 * Launches a browser for the tests of a file. The function that it returns wraps a test: it gives it a
 * context of its own (cookies, storage, cache), and when the test fails it takes pictures and tells
 * what the pages logged.
 */
export function browserTests() {
  let browser;
  before(async () => {
    browser = await LAUNCH[BROWSER]();
  });
  after(async () => {
    await browser?.close();
  });

  return (body, options = {}) =>
    async (test) => {
      // WebDriver BiDi has no such switch for a context.
      const own = BROWSER === 'firefox' && options.javaScriptEnabled === false ? await LAUNCH.firefox({ 'javascript.enabled': false }) : undefined;
      const context = await (own ?? browser).newContext(options);
      context.setDefaultTimeout(PATIENCE);
      const logged = [];
      context.on('console', (message) => logged.push(`${message.type()}: ${message.text()}`));
      context.on('weberror', (error) => logged.push(`uncaught: ${error.error().stack}`));
      try {
        await body(context, test);
      } catch (error) {
        await picture(context, test.name);
        for (const line of logged) test.diagnostic(line);
        for (const page of context.pages()) test.diagnostic(`page at ${page.url()}`);
        throw error;
      } finally {
        await context.close();
        await own?.close();
      }
    };
}

async function picture(context, name) {
  const folder = `${PICTURES}failures/`;
  await mkdir(folder, { recursive: true });
  const file = `${BROWSER}-${name}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  for (const [index, page] of context.pages().entries()) {
    await page.screenshot({ path: `${folder}${file}-${index}.png` }).catch(() => {});
  }
}
