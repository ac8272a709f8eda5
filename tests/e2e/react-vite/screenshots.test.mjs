// Pictures of every page of the React example.
import assert from 'node:assert/strict';

import { APP, browserTests } from '../browser.mjs';
import { picturesOf } from '../pictures.mjs';
import { callApi, logIn, open, seesLoggedOut } from '../steps.mjs';

picturesOf(`react-${process.env.AUTHTOOL_DEMO_MODE}`, browserTests(), async (context, picture) => {
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
});
