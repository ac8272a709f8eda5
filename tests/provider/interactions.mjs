// The pages between "log in" and "logged in": whose account, and what the client may see of it.
//
// The forms have the field names of oidc-provider's development interactions (`prompt`, `login`), so
// that a test which drives them over plain HTTP works with either.
import { MAX_LOGIN_LENGTH } from './accounts.mjs';
import { ACR_VALUES } from './configuration.mjs';
import { consentPage, loginPage, messagePage } from './views.mjs';

const MAX_FORM_BYTES = 16 * 1024;

async function readForm(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_FORM_BYTES) throw new Error('the form is too large');
  }
  return new URLSearchParams(text);
}

function send(response, status, html) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  });
  response.end(html);
}

/** Shows the page that the interaction asks for. */
async function show(provider, request, response) {
  const { uid, prompt, params } = await provider.interactionDetails(request, response);
  const client = await provider.Client.find(params.client_id);
  const clientName = client?.clientName ?? params.client_id;
  const page = { action: `/interaction/${uid}`, host: request.headers.host, clientName };
  if (prompt.name === 'login') {
    send(response, 200, loginPage({ ...page, loginHint: params.login_hint }));
  } else {
    send(response, 200, consentPage({ ...page, scopes: (params.scope ?? '').split(' ').filter(Boolean) }));
  }
}

/** Gives the interaction's answer back to the authorization endpoint. */
async function answer(provider, request, response) {
  const { uid, prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const form = await readForm(request);

  if (form.get('abort') !== null) {
    const result = { error: 'access_denied', error_description: 'End-User aborted interaction' };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  if (prompt.name === 'login') {
    const login = (form.get('login') ?? '').trim();
    if (login === '' || login.length > MAX_LOGIN_LENGTH) {
      const page = { action: `/interaction/${uid}`, host: request.headers.host, clientName: params.client_id };
      return send(response, 422, loginPage({ ...page, problem: `A login name has 1 to ${MAX_LOGIN_LENGTH} characters.` }));
    }
    // The strongest class that was asked for is reached: nobody here has a second factor to show.
    const acr = (params.acr_values ?? '').split(' ').filter((value) => ACR_VALUES.includes(value)).at(-1);
    const result = { login: { accountId: login, ...(acr && { acr }) } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  const grant =
    (grantId !== undefined && (await provider.Grant.find(grantId))) ||
    new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [indicator, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(indicator, scopes.join(' '));
  }
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

/** Whether the request is for one of these pages. */
export function isInteraction(request) {
  return /^\/interaction\/[\w-]+$/.test(request.url.split('?', 1)[0]);
}

/** Answers a request for which {@link isInteraction} holds. */
export async function interact(provider, request, response) {
  try {
    if (request.method === 'GET' || request.method === 'HEAD') await show(provider, request, response);
    else if (request.method === 'POST') await answer(provider, request, response);
    else send(response, 405, messagePage({ host: request.headers.host, title: 'Not like this', text: 'This page takes GET and POST.' }));
  } catch (error) {
    // An interaction that has expired, or a page of yesterday that is submitted today.
    console.error('interaction failed:', error);
    if (response.headersSent) return void response.destroy();
    const text = 'This sign-in has expired or was already used. Go back to the app and start again.';
    send(response, 400, messagePage({ host: request.headers.host, title: 'Start again', text }));
  }
}
