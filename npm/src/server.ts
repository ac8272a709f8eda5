import { AuthtoolError } from './error.js';
import type { UserManager } from './manager.js';
import type { CheckedOptions } from './options.js';
import { INITIAL } from './state.js';

/**
 * The manager of a place that is no page (a server, a worker): there is no session to look for, so it stays
 * `initialising` and asks nobody. That is also what the first render in the browser sees, so hydration matches.
 */
export const createInertManager = ({ baseUrl, mode }: CheckedOptions): UserManager => {
  const state = () => INITIAL;
  const resolved = async () => INITIAL;
  const nothing = () => {};
  const subscribe = () => nothing;
  // There is no current page, and no origin either: a placeholder, so that rendering a link does not fail.
  const url = (path: string, redirectUri?: string | URL): URL => {
    const address = new URL(baseUrl.replace(/\/*$/, path), 'http://localhost');
    if (redirectUri) address.searchParams.set('redirect_uri', redirectUri.toString());
    return address;
  };
  return {
    baseUrl,
    mode,
    client: {
      loginUrl: (redirectUri) => url('/login', redirectUri),
      logoutUrl: (redirectUri) => url('/logout', redirectUri),
    },
    state: INITIAL,
    getState: state,
    start: resolved,
    check: resolved,
    refresh: resolved,
    getSession: async () => {
      throw new AuthtoolError('inactive');
    },
    subscribe,
    on: subscribe,
    login: nothing,
    logout: nothing,
    dispose: nothing,
  };
};
