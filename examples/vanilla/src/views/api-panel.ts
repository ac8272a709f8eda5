import { callApi, type Outcome, type Received } from '../api.ts';
import { button, element } from '../element.ts';
import { claimsTable } from './claims.ts';

/** Calls the API and shows the request as it arrived there. */
export function apiPanel(onUnauthorized: () => void, onAnswer: () => void): HTMLElement {
  const result = element('div', { class: 'result', 'aria-live': 'polite' });
  const call = button('Call the API', 'primary', async () => {
    call.setAttribute('aria-disabled', 'true');
    const outcome = await callApi();
    call.removeAttribute('aria-disabled');
    result.replaceChildren(show(outcome));
    if (outcome.kind === 'answered') onAnswer();
    if (outcome.kind === 'refused' && outcome.status === 401) onUnauthorized();
  });
  return element(
    'section',
    { class: 'panel', id: 'api', 'aria-labelledby': 'api-title' },
    element('h2', { id: 'api-title' }, 'What the API receives'),
    element('p', {}, 'This page calls ', element('code', {}, '/api/whoami'), ' with its cookie. What arrives there is something else.'),
    call,
    result,
  );
}

function show(outcome: Outcome): HTMLElement {
  switch (outcome.kind) {
    case 'answered':
      return answered(outcome.status, outcome.received);
    case 'refused':
      return element(
        'p',
        { class: 'problem' },
        outcome.status === 401 ? 'Your session has ended.' : `The API answered with status ${outcome.status}.`,
      );
    case 'unreachable':
      return element('p', { class: 'problem' }, 'The API cannot be reached. Is the demo still running?');
  }
}

function answered(status: number, received: Received): HTMLElement {
  const fact = (name: string, value: string, kind = ''): HTMLElement =>
    element('div', { class: kind }, element('dt', {}, name), element('dd', {}, value));
  return element(
    'div',
    {},
    element(
      'dl',
      { class: 'facts' },
      fact('Status', String(status)),
      fact('Access token', received.headers['authorization'] ?? 'none', 'token'),
      received.cookieReceived
        ? fact('Cookie received', 'yes, which should not happen', 'leak')
        : fact('Cookie received', 'no, it stopped at authtool', 'cookie'),
    ),
    element('h3', {}, 'Claims in the token'),
    claimsTable(received.claims, 'Claims in the access token'),
    element(
      'details',
      {},
      element('summary', {}, 'The whole request'),
      element('pre', { tabindex: '0' }, JSON.stringify(received, null, 2)),
    ),
  );
}
