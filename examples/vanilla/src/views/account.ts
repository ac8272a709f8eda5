import type { Session } from '@authtool/client';

import { button, element } from '../element.ts';
import { displayName } from './logged-in.ts';

/** Who is logged in, and the way out. */
export function account(session: Session, logOut: () => void): HTMLElement {
  const name = displayName(session);
  const [initial = '?'] = name;
  return element(
    'div',
    { class: 'account' },
    element('span', { class: 'avatar', 'aria-hidden': 'true' }, initial.toUpperCase()),
    element('span', { class: 'who' }, name),
    button('Log out', 'plain', logOut),
  );
}
