/**
 * How the app gets at its APIs.
 *
 * - `bff`: the gateway attaches the access token; no token ever reaches JavaScript.
 * - `tokenExchange`: the app holds a short-lived access token in memory. `tokenMediation` is its other name.
 */
export type Mode = 'bff' | 'tokenExchange';

/** What {@link init} accepts. Everything is optional. */
export interface InitOptions {
  /**
   * Where the server is: its `server.apiPrefix`, such as `/bff`. A path, or a URL on the page's own origin. A missing
   * leading slash is added and a trailing one removed.
   *
   * @defaultValue `'/'`
   */
  readonly baseUrl?: string | undefined;
  /**
   * Must be the server's `session.mode`.
   *
   * @defaultValue `'bff'`
   */
  readonly mode?: Mode | 'tokenMediation' | undefined;
  /**
   * Whether to look for the session at once. With `false`, nothing is requested before
   * {@link UserManager.start} or {@link UserManager.check}.
   *
   * @defaultValue `true`
   */
  readonly autostart?: boolean | undefined;
  /**
   * In `tokenExchange` mode: the random time in milliseconds, at most, by which a token is renewed before its expiry,
   * so that many tabs do not ask at the same moment. There is nothing to renew in `bff` mode.
   *
   * @defaultValue `7000`
   */
  readonly maxJitterMs?: number | undefined;
}

/**
 * {@link InitOptions}, checked and complete.
 *
 * @internal
 */
export interface CheckedOptions {
  readonly baseUrl: string;
  readonly mode: Mode;
  readonly autostart: boolean;
  readonly maxJitterMs: number;
}

const demand = (holds: boolean, option: string, fix: string): void => {
  if (!holds) throw new TypeError(`authtool: option ${option} must be ${fix}`);
};

/**
 * Checks what the type checker of a JavaScript app cannot. The rule for `baseUrl` itself is the core's.
 *
 * @internal
 */
export const checkOptions = (options: InitOptions = {}): CheckedOptions => {
  const { baseUrl = '/', mode = 'bff', autostart = true, maxJitterMs = 7000 } = options;
  demand(typeof baseUrl == 'string', 'baseUrl', "a path such as '/bff'");
  demand(['bff', 'tokenExchange', 'tokenMediation'].includes(mode), 'mode', "'bff' or 'tokenExchange'");
  demand(typeof autostart == 'boolean', 'autostart', 'true or false');
  demand(Number.isFinite(maxJitterMs) && maxJitterMs >= 0, 'maxJitterMs', 'a number of milliseconds, 0 or more');
  return { baseUrl, mode: mode == 'bff' ? mode : 'tokenExchange', autostart, maxJitterMs };
};
