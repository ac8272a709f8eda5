import type { Mode } from './options.js';
import type { Session, SessionState } from './state.js';

/** Ends a subscription. Calling it again does nothing. */
export type Unsubscribe = () => void;

/**
 * What happened to the session.
 *
 * - `login`: a session appeared where none was known. That includes the first answer of a page that is opened by
 *   somebody who is logged in.
 * - `logout`: {@link UserManager.logout} was called in this tab, or the session is gone after a logout in another.
 * - `expired`: the session is gone without a logout in this browser: it ended, or was ended elsewhere.
 * - `unavailable`: the server could not be asked any more.
 */
export type UserManagerEvent = 'login' | 'logout' | 'expired' | 'unavailable';

/** How to leave for the login or the logout. */
export interface NavigationOptions {
  /**
   * Where to return to: a URL, or a path relative to the current page. The server accepts addresses of the origins
   * that it is configured for; by default, the app's own.
   */
  readonly redirectUri?: string | URL | undefined;
}

/** The server's addresses, for links. */
export interface AuthtoolClient {
  /**
   * The address that starts a login.
   *
   * @param redirectUri - Where to return to. By default the current page, with its query and fragment.
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly loginUrl: (redirectUri?: string | URL) => URL;
  /**
   * The address that ends the session. A server may be configured to refuse the GET of a link
   * (`session.disableLogoutOnGet`); {@link UserManager.logout} always works.
   *
   * @param redirectUri - Where to return to. By default the server decides.
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly logoutUrl: (redirectUri?: string | URL) => URL;
}

/**
 * Knows whether somebody is logged in, and keeps knowing it: it looks again when the session ends, when the page is seen
 * again or comes back from the back/forward cache, when the network is back, and when another tab logs in or out.
 *
 * Every method works without its object: `useSyncExternalStore(manager.subscribe, manager.getState)` is fine.
 */
export interface UserManager {
  /** Where the server is: a path with a leading slash and without a trailing one. */
  readonly baseUrl: string;
  /** The mode given to {@link init}. */
  readonly mode: Mode;
  /** The server's addresses, for links. */
  readonly client: AuthtoolClient;
  /** The current state. The same object until something changes. */
  readonly state: SessionState;
  /** The current state, as a function: {@link UserManager.state}. */
  readonly getState: () => SessionState;
  /**
   * Looks for the session for the first time. {@link init} does it by itself unless `autostart` is `false`; calling it
   * again returns the same promise.
   *
   * @returns The state after the first answer. Never rejects.
   */
  readonly start: () => Promise<SessionState>;
  /**
   * Looks for the session now, for example after an API answered 401.
   *
   * @returns The state after the answer. Calls during a look share its answer. Never rejects.
   */
  readonly check: () => Promise<SessionState>;
  /** The same as {@link UserManager.check}. */
  readonly refresh: () => Promise<SessionState>;
  /**
   * The session, as soon as it is known whether there is one.
   *
   * @throws {@link AuthtoolError} `unauthorized` when nobody is logged in (see {@link isUnauthorized}), and the reason
   * when that cannot be found out. A session that was seen before an outage is returned during it.
   */
  readonly getSession: () => Promise<Session>;
  /**
   * Calls a function after each change of the state.
   *
   * @param listener - Called with the new state.
   */
  readonly subscribe: (listener: (state: SessionState) => void) => Unsubscribe;
  /**
   * Calls a function each time something happens to the session.
   *
   * @param event - What to wait for.
   * @param listener - Called with the state that it led to.
   */
  readonly on: (event: UserManagerEvent, listener: (state: SessionState) => void) => Unsubscribe;
  /**
   * Leaves for the login.
   *
   * A call without a click or a key behind it counts as automatic. The third automatic call within 30 seconds does not
   * leave: the state becomes `unavailable` with the error `login_loop`, because a browser that keeps coming back without a
   * session would otherwise never stop. The count is kept in `sessionStorage` (moments, nothing else); where that is
   * blocked, so is the session's cookie, and no automatic call leaves.
   *
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly login: (options?: NavigationOptions) => void;
  /**
   * Leaves for the logout, with a POST, and tells the other tabs. The state does not change before the page is left, so
   * that an app that reacts to `unauthenticated` does not cancel the logout by a navigation of its own.
   *
   * With a `form-action` in the app's Content-Security-Policy, the provider's origin must be in it: browsers apply it to
   * the redirect that follows.
   *
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly logout: (options?: NavigationOptions) => void;
  /** Stops everything: no more requests, timers or calls of listeners. The state stays readable. */
  readonly dispose: () => void;
}
