/**
 * Why something failed.
 *
 * | code | meaning |
 * |---|---|
 * | `unauthorized` | Nobody is logged in: the server answered 401. The only code that calls for a login. |
 * | `network` | No answer: offline, refused, redirected elsewhere, or too late. |
 * | `server` | The server answered with an error: overloaded (503), too many requests (429), forbidden (403), ... |
 * | `protocol` | The answer is not what was asked for. Something between browser and server answered, or `baseUrl` is wrong. |
 * | `login_loop` | Automatic logins came back without a session more than twice in 30 seconds, or the browser keeps no site data, so that they would never end. |
 * | `inactive` | The manager was disposed, is on its way to the logout, or was made on a server, where there is no browser session to look for. |
 * | `wrong_mode` | An access token was asked for in `bff` mode, in which none reaches the browser: that of `init`, or with the status 404 the server's. |
 * | `load_failed` | The WebAssembly could not be loaded or may not run. `cause` has the browser's own words; `check()` tries again. |
 */
export type AuthtoolErrorCode =
  | 'unauthorized'
  | 'network'
  | 'server'
  | 'protocol'
  | 'login_loop'
  | 'inactive'
  | 'wrong_mode'
  | 'load_failed';

const MESSAGES: Record<AuthtoolErrorCode, string> = {
  unauthorized: 'nobody is logged in',
  network: 'no answer',
  server: 'the server answered with an error',
  protocol: 'the answer is not what was asked for; is baseUrl right?',
  login_loop: 'logins keep coming back without a session',
  inactive: 'the manager was disposed, is logging out, or has no page',
  wrong_mode: "access tokens need init({ mode: 'tokenExchange' }), on the server session.mode",
  load_failed: "WebAssembly cannot run here; a Content-Security-Policy needs script-src 'wasm-unsafe-eval'",
};

/** The one class of errors that this package makes, apart from `TypeError` for wrong arguments. */
export class AuthtoolError extends Error {
  /** Why it failed. Branch on this, not on the message. */
  readonly code: AuthtoolErrorCode;
  /** The HTTP status, when there was an answer. */
  readonly status: number | undefined;
  /** Names the request in the server's log, when the server said so: quote it to the operator. */
  readonly correlationId: string | undefined;

  /**
   * For tests of an app. The package makes its own.
   *
   * @param code - Why it failed.
   * @param status - The HTTP status.
   * @param correlationId - The request's name in the server's log.
   * @param options - What caused it.
   */
  constructor(code: AuthtoolErrorCode, status?: number, correlationId?: string, options?: ErrorOptions) {
    super(`authtool: ${MESSAGES[code]} (${code}${status ? ` ${status}` : ''})`, options);
    this.name = 'AuthtoolError';
    this.code = code;
    this.status = status;
    this.correlationId = correlationId;
  }
}

/**
 * Tells a missing session from any other failure: `true` only when the server said that nobody is logged in.
 *
 * ```ts
 * try {
 *   render(await manager.getSession());
 * } catch (error) {
 *   if (isUnauthorized(error)) showLoginButton();
 *   else showOutage(error);
 * }
 * ```
 *
 * @param error - Anything that was caught.
 */
export const isUnauthorized = (error: unknown): error is AuthtoolError & { readonly code: 'unauthorized' } =>
  error instanceof Error && (error as Partial<AuthtoolError>).code === 'unauthorized';
