import { chromium } from 'playwright-core';

/** CHROMIUM names the browser. */
export const LAUNCH = {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  // Playwright switches the back/forward cache off; what happens there is ours to test.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

/** How long anything may take to appear. It only ends a test that hangs: on a busy machine a page takes several seconds. */
export const PATIENCE = 60_000;

export const launch = () => chromium.launch(LAUNCH);

/**
 * Waits, in a page that is opened after this, for an element to show a text, and asks the page nothing meanwhile: to the
 * browser Playwright's questions are a click, and what follows a click is not automatic.
 */
export async function watch(page, id, text) {
  await page.addInitScript(
    ([id, text]) => {
      const look = () => {
        if (document.getElementById(id)?.textContent.trim() === text) console.info(`${id} shows ${text}`);
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
    },
    [id, text],
  );
  const shown = page.waitForEvent('console', (message) => message.text() === `${id} shows ${text}`);
  // Who never gets to wait for it has failed before.
  shown.catch(() => {});
  return () => shown;
}
