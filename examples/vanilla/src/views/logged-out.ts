import type { UserManager } from '@authtool/client';

import { element } from '../element.ts';
import { route } from './route.ts';

/** Nobody is logged in. */
export function loggedOut(manager: UserManager): HTMLElement {
  return element(
    'section',
    { class: 'hero' },
    element('h1', {}, 'Nobody is logged in.'),
    element(
      'p',
      { class: 'lead' },
      'Log in, and this page learns your name. It never gets to see a token, and neither does anything else that runs in your browser.',
    ),
    loginLink(manager),
    route('nothing'),
  );
}

/** A link rather than a button: a login is a navigation, and opens in another tab like any other. */
function loginLink(manager: UserManager): HTMLElement {
  const link = element('a', { class: 'button primary', href: manager.client.loginUrl().href }, 'Log in');
  // The fragment may have changed since: the way back leads to where the user is now.
  link.addEventListener('click', () => {
    link.href = manager.client.loginUrl().href;
  });
  return link;
}
