// Pictures of every page.
import { APP, browserTests } from './browser.mjs';
import { picturesOf } from './pictures.mjs';
import { callApi, goToProvider, logIn, open, seesLoggedOut, seesUser } from './steps.mjs';

picturesOf('', browserTests(), async (context, picture) => {
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

  // A login that this browser has not begun.
  await page.goto(`${APP}/bff/oauth/callback?code=x&state=y`);
  await page.getByText('That login was not started in this browser').waitFor();
  await picture(page, 'foreign-login');
});
