// The page follows the state of the session: one view for each, and nothing else to keep in step.
import { init, type SessionState, type UserManager } from '@authtool/client';

import { takeArrival } from './arrival.ts';
import { slot } from './element.ts';
import { account } from './views/account.ts';
import { displayName, loggedIn } from './views/logged-in.ts';
import { loggedOut } from './views/logged-out.ts';
import { failedLogin, unavailable } from './views/notices.ts';
import { unknown, waiting } from './views/waiting.ts';

const arrival = takeArrival();
const manager = init({ baseUrl: '/bff' });

/** What is shown, so that a state that shows the same leaves the page, and the focus in it, alone. */
let shown: unknown;
let dismissed = false;

function render(state: SessionState): void {
  document.documentElement.dataset['status'] = state.status;
  document.title = state.session === null ? 'authtool demo' : `${displayName(state.session)} · authtool demo`;

  const view = state.session ?? state.status;
  if (view !== shown) {
    shown = view;
    slot('view').replaceChildren(mainView(state, manager));
    slot('account').replaceChildren(
      ...(state.session === null ? [] : [account(state.session, logOut)]),
    );
  }
  slot('notices').replaceChildren(...notices(state));
}

/**
 * Leaves no picture of the user behind: the back button may bring this very page back, from the browser's
 * memory and before anybody could ask the server.
 */
function logOut(): void {
  addEventListener('pagehide', clear, { once: true });
  addEventListener('pageshow', (event) => event.persisted && void manager.check().then(render), { once: true });
  manager.logout();
}

function clear(): void {
  shown = undefined;
  document.title = 'authtool demo';
  slot('account').replaceChildren();
  slot('view').replaceChildren(waiting());
}

function mainView(state: SessionState, manager: UserManager): HTMLElement {
  if (state.session !== null) return loggedIn(state.session, () => void manager.check());
  switch (state.status) {
    case 'unauthenticated':
      return loggedOut(manager);
    case 'unavailable':
      return unknown();
    default:
      return waiting();
  }
}

function notices(state: SessionState): HTMLElement[] {
  const list: HTMLElement[] = [];
  if (arrival !== null && !dismissed && state.session === null) {
    list.push(
      failedLogin(arrival, () => {
        dismissed = true;
        render(manager.getState());
      }),
    );
  }
  if (state.status === 'unavailable') {
    list.push(unavailable(state.session !== null, () => void manager.check()));
  }
  return list;
}

manager.subscribe(() => render(manager.getState()));
render(manager.getState());
