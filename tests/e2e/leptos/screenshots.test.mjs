// Pictures of every page of the Leptos examples.
import { APP, browserTests } from '../browser.mjs';
import { picturesOf } from '../pictures.mjs';
import { logIn, open, seesLoggedOut, settled } from '../steps.mjs';

const { AUTHTOOL_DEMO_APP: app, AUTHTOOL_DEMO_MODE: mode } = process.env;

picturesOf(`${app}-${mode}`, browserTests(), async (context, picture) => {
  const page = await open(context);
  await seesLoggedOut(page);
  await picture(page, 'logged-out');
  await logIn(page);
  await picture(page, 'logged-in');

  await settled(page);
  await page.getByRole('button', { name: 'Call the API' }).click();
  await page.getByRole('table', { name: 'Claims in the access token' }).waitFor();
  await picture(page, 'api-called');

  await page.goto(`${APP}/claims`);
  await page.getByRole('row', { name: 'email ada@example.com' }).waitFor();
  await picture(page, 'claims');

  await page.goto(`${APP}/nowhere`);
  await page.getByRole('heading', { name: 'There is no such page.' }).waitFor();
  await picture(page, 'not-found');
});
