import { addressOf } from './address.js';
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
  const rejected = async () => {
    throw new AuthtoolError('inactive');
  };
  const nothing = () => {};
  const subscribe = () => nothing;
  return {
    baseUrl,
    mode,
    client: {
      loginUrl: (redirectUri, parameters) => addressOf(baseUrl, false, redirectUri, parameters),
      logoutUrl: (redirectUri) => addressOf(baseUrl, true, redirectUri),
    },
    state: INITIAL,
    getState: state,
    start: resolved,
    check: resolved,
    refresh: resolved,
    getSession: rejected,
    getAccessToken: rejected,
    fetch: rejected,
    subscribe,
    on: subscribe,
    login: nothing,
    logout: nothing,
    dispose: nothing,
  };
};
