import { normalise, originOf } from './address.js';

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
  /**
   * In `tokenExchange` mode: the origins to which {@link UserManager.fetch} sends the access token, such as
   * `'https://api.example.com'`. Only `https`, or `http` on this machine. They are compared exactly: no path, no wildcard.
   *
   * @defaultValue the page's own origin
   */
  readonly allowedOrigins?: readonly (string | URL)[] | undefined;
  /**
   * How long before the session's end the event `expiring` is announced, in milliseconds; 0 for never.
   *
   * @defaultValue `60000`
   */
  readonly expiringMs?: number | undefined;
  /**
   * How often to look at the session while the page is seen, in milliseconds; 0 for only when there is reason to.
   * To the server every look is use of the session, so polling keeps an open page from being idle.
   *
   * @defaultValue `0`
   */
  readonly pollMs?: number | undefined;
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
  readonly allowedOrigins: readonly string[] | undefined;
  readonly expiringMs: number;
  readonly pollMs: number;
}

const demand = (holds: unknown, option: string, fix: string): void => {
  if (!holds) throw new TypeError(`authtool: option ${option} must be ${fix}`);
};

/**
 * Whether a token may travel there: encrypted, or not at all.
 *
 * @internal
 */
export const isSecure = ({ protocol, hostname }: URL): boolean =>
  protocol == 'https:' || (protocol == 'http:' && /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname));

const allowedOrigin = (given: string | URL): string => {
  const origin = originOf(given);
  // To the parser of URLs an asterisk is a character like others, or one to be encoded.
  const isOrigin = origin && !/[*%]/.test(origin) && isSecure(new URL(given)) && new URL(given).href == `${origin}/`;
  demand(isOrigin, 'allowedOrigins', "a list of https origins such as 'https://api.example.com'");
  return origin!;
};

/**
 * Checks what the type checker of a JavaScript app cannot.
 *
 * @internal
 */
export const checkOptions = (options: InitOptions = {}): CheckedOptions => {
  const { baseUrl = '/', mode = 'bff', autostart = true, allowedOrigins } = options;
  const ms = (option: 'maxJitterMs' | 'expiringMs' | 'pollMs', otherwise: number): number => {
    const value = options[option] ?? otherwise;
    demand(Number.isFinite(value) && value >= 0, option, 'a number of milliseconds, 0 or more');
    return value;
  };
  demand(typeof baseUrl == 'string', 'baseUrl', "a path such as '/bff'");
  demand(['bff', 'tokenExchange', 'tokenMediation'].includes(mode), 'mode', "'bff' or 'tokenExchange'");
  demand(typeof autostart == 'boolean', 'autostart', 'true or false');
  return {
    baseUrl: normalise(baseUrl, globalThis.location?.origin),
    mode: mode == 'bff' ? mode : 'tokenExchange',
    autostart,
    maxJitterMs: ms('maxJitterMs', 7_000),
    allowedOrigins: allowedOrigins?.map(allowedOrigin),
    expiringMs: ms('expiringMs', 60_000),
    pollMs: ms('pollMs', 0),
  };
};
