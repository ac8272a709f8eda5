import type { Session } from '@authtool/client';

import { element } from '../element.ts';
import { spoken } from '../duration.ts';
import { apiPanel } from './api-panel.ts';
import { claimsTable } from './claims.ts';
import { route } from './route.ts';

/** Somebody is logged in. `onUnauthorized` is called when the API says that this is no longer so. */
export function loggedIn(session: Session, onUnauthorized: () => void): HTMLElement {
  const way = element('div', {}, route('session'));
  return element(
    'div',
    { class: 'signed-in' },
    element(
      'section',
      { class: 'hero' },
      element('h1', {}, `Hello, ${displayName(session)}.`),
      element('p', { class: 'lead' }, expiry(session)),
      way,
    ),
    element(
      'div',
      { class: 'panels' },
      apiPanel(onUnauthorized, () => way.replaceChildren(route('token'))),
      element(
        'section',
        { class: 'panel', id: 'claims', 'aria-labelledby': 'claims-title' },
        element('h2', { id: 'claims-title' }, 'What this page knows'),
        element('p', {}, 'The claims that the server was configured to show, from ', element('code', {}, '/bff/session'), '.'),
        claimsTable(session.user, 'Your claims'),
      ),
    ),
  );
}

/** The best name that the claims offer. */
export function displayName(session: Session): string {
  for (const claim of ['name', 'preferred_username', 'email', 'sub']) {
    const value = session.user[claim];
    if (typeof value === 'string' && value !== '') return value;
  }
  return 'somebody';
}

/** A sentence that keeps itself true. */
function expiry(session: Session): HTMLElement {
  const time = element('time', { datetime: new Date(session.expiresAt).toISOString() });
  const sentence = element('span', {}, 'Your session lasts another ', time, '.');
  const tell = (): void => {
    time.textContent = spoken(session.expiresAt - Date.now());
  };
  tell();
  const timer = setInterval(() => {
    if (sentence.isConnected) tell();
    else clearInterval(timer);
  }, 15_000);
  return sentence;
}
