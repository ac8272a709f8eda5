// What a user does and sees.
import { APP, PATIENCE, PROVIDER } from './browser.mjs';

/** Opens the app and waits until it knows whether somebody is logged in. */
export async function open(context, path = '/') {
  const page = await context.newPage();
  await page.goto(APP + path);
  await settled(page);
  return page;
}

/** Waits until the page knows whether somebody is logged in. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const { status } = document.documentElement.dataset;
    return status !== undefined && status !== 'initialising';
  });
}

/** Waits until the page shows that nobody is logged in. */
export async function seesLoggedOut(page) {
  await page.getByRole('heading', { name: 'Nobody is logged in.' }).waitFor();
}

/** Waits until the page shows this user. */
export async function seesUser(page, name) {
  await page.getByRole('heading', { name: `Hello, ${name}.` }).waitFor();
}

/** From the app's page to the provider's form. */
export async function goToProvider(page) {
  await page.getByRole('link', { name: 'Log in' }).click();
  await page.waitForURL((url) => url.origin === PROVIDER);
}

/** Logs in at the provider, from a logged-out page of the app. */
export async function logIn(page, login = 'ada', name = 'Ada Lovelace') {
  await goToProvider(page);
  await page.getByLabel('Login name').fill(login);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.origin === APP);
  await seesUser(page, name);
}

/** Opens the app as somebody who has just logged in. */
export async function openLoggedIn(context, login, name) {
  const page = await open(context);
  await logIn(page, login, name);
  return page;
}

/** Logs out of the app, and answers the provider's question. */
export async function logOut(page, atProvider = 'Sign out') {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL((url) => url.origin === PROVIDER);
  await page.getByRole('button', { name: atProvider }).click();
  await page.waitForURL((url) => url.origin === APP);
  await seesLoggedOut(page);
}

/** Presses the page's button, and answers what the API received as the page tells it. */
export async function callApi(page) {
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname.startsWith('/api/'));
  await page.getByRole('button', { name: 'Call the API' }).click();
  const response = await answered;
  return { status: response.status(), received: response.ok() ? await response.json() : undefined };
}

/** A `fetch` by the page's own script. */
export function fetchFromPage(page, path, init) {
  return page.evaluate(
    async ([path, init]) => {
      const response = await fetch(path, init);
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
    },
    [path, init],
  );
}

/**
 * Goes `steps` entries through the history, until the page for which `arrived` holds is there.
 *
 * Playwright follows no page that comes back from the browser's memory: what it asks while one page makes
 * way for another may fail with a context that is gone, and is simply asked again.
 */
export async function goThroughHistory(page, steps, arrived) {
  await page.evaluate((count) => {
    setTimeout(() => history.go(count));
  }, steps);
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await page.waitForFunction(arrived, undefined, { timeout: deadline - Date.now() });
    } catch (error) {
      if (Date.now() >= deadline || !/context|navigation|detached/i.test(error.message)) throw error;
    }
  }
}
