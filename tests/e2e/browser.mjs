// Chromium, and what every test does with it.
import { mkdir } from 'node:fs/promises';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

/** Where the demo listens. */
export const APP = new URL(process.env.AUTHTOOL_DEMO_URL ?? 'http://localhost:3000').origin;

/** The server's internal listener, one port above. */
export const INTERNAL = `http://127.0.0.1:${Number(new URL(APP).port) + 1}`;

/** The provider's origin, two ports above: another host name, hence another site. */
export const PROVIDER = `http://127.0.0.1:${Number(new URL(APP).port) + 2}`;

/** Pictures: of the pages, and of what the browser showed when a test failed. */
export const PICTURES = fileURLToPath(new URL('../../target/e2e/', import.meta.url));

/** How long anything may take to appear. */
const PATIENCE = 15_000;

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Launches a browser for the tests of a file. The function that it returns wraps a test: it gives it a
 * context of its own (cookies, storage, cache), and when the test fails it takes pictures and tells
 * what the pages logged.
 */
export function browserTests() {
  let browser;
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // Playwright turns bfcache off, but users have it.
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
      args: ARGUMENTS,
    });
  });
  after(async () => {
    await browser?.close();
  });

  return (body, options = {}) =>
    async (test) => {
      const context = await browser.newContext(options);
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
      }
    };
}

async function picture(context, name) {
  const folder = `${PICTURES}failures/`;
  await mkdir(folder, { recursive: true });
  const file = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  for (const [index, page] of context.pages().entries()) {
    await page.screenshot({ path: `${folder}${file}-${index}.png` }).catch(() => {});
  }
}
