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
 * - `expiring`: the session ends soon ({@link InitOptions.expiringMs}) unless something extends it.
 *   {@link UserManager.check} extends a session that ends because it is idle; the new end is in the state then.
 */
export type UserManagerEvent = 'login' | 'logout' | 'expired' | 'unavailable' | 'expiring';

/** How to leave for the logout, and for the login. */
export interface NavigationOptions {
  /**
   * Where to return to: a URL, or a path relative to the current page. The server accepts addresses of the origins
   * that it is configured for; by default, the app's own.
   */
  readonly redirectUri?: string | URL | undefined;
}

/**
 * What to ask of one login (OpenID Connect Core 1.0, section 3.1.2.1). The server decides which of them it honours; an app
 * that relies on one must have it checked on the server.
 */
export interface LoginParameters {
  /** `none` for a login that shows nothing, `login` to have the user log in again, `consent`, `select_account`. */
  readonly prompt?: string | readonly string[] | undefined;
  /** Who is about to log in: an address or a user name for the provider's form. */
  readonly loginHint?: string | undefined;
  /** Authentication context classes, by preference. */
  readonly acrValues?: string | readonly string[] | undefined;
  /** The most seconds since the user last authenticated at the provider. */
  readonly maxAge?: number | undefined;
  /** Languages of the provider's pages, by preference. */
  readonly uiLocales?: string | readonly string[] | undefined;
  /** The `clientId` to log in with, when the server has several clients. */
  readonly client?: string | undefined;
}

/** How to leave for the login. */
export interface LoginOptions extends NavigationOptions, LoginParameters {}

/** Which access token to return. */
export interface AccessTokenOptions {
  /** A token that an API has just refused with a 401. It is not taken from memory again: the server is asked. */
  readonly rejected?: string | undefined;
}

/** The server's addresses, for links. */
export interface AuthtoolClient {
  /**
   * The address that starts a login.
   *
   * @param redirectUri - Where to return to. By default the current page, with its query and fragment.
   * @param parameters - What to ask of this login.
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly loginUrl: (redirectUri?: string | URL | null, parameters?: LoginParameters) => URL;
  /**
   * The address that ends the session. A server may be configured to refuse the GET of a link
   * (`session.disableLogoutOnGet`); {@link UserManager.logout} always works.
   *
   * @param redirectUri - Where to return to. By default the server decides.
   * @throws `TypeError` when `redirectUri` is no address.
   */
  readonly logoutUrl: (redirectUri?: string | URL | null) => URL;
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
   * A currently valid access token, in `tokenExchange` mode: the one in memory, or a new one if that is stale. However many
   * call, there is one request. Ask for it before each use, and keep it nowhere: a token that nobody asks for is not renewed.
   *
   * @throws {@link AuthtoolError} `unauthorized` when nobody is logged in (see {@link isUnauthorized}); `network`, `server` or
   * `protocol` when that cannot be found out; `wrong_mode` in `bff` mode; `inactive` after {@link UserManager.dispose} and on
   * the way to the logout.
   */
  readonly getAccessToken: (options?: AccessTokenOptions) => Promise<string>;
  /**
   * `fetch` for the app's APIs.
   *
   * - To the page's own origin it adds the header that the server and its gateways ask for (`x-authtool-csrf`).
   * - In `tokenExchange` mode it adds the access token, for {@link InitOptions.allowedOrigins} only, and not over an
   *   `Authorization` of the caller. Such a request is not redirected: the token would go with it.
   * - After a 401 it looks whether the session is still there, and if it is sends the request once more; unless its body is
   *   a stream given in `init`, which is gone. The body of a `Request` is kept for that until the answer arrives: give very
   *   large ones as `init.body`.
   *
   * Everything else, requests to other origins among them, is as `fetch` does it.
   *
   * @throws {@link AuthtoolError} when a token is needed and cannot be had, as {@link UserManager.getAccessToken} does.
   */
  readonly fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;
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
  readonly login: (options?: LoginOptions) => void;
  /**
   * Forgets the access token, leaves for the logout with a POST, and tells the other tabs. The state does not change before the page is left, so
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
