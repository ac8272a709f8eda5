import { AuthtoolError, type AuthtoolErrorCode } from './error.js';

/**
 * What is known about the session.
 *
 * - `initialising`: the first answer has not come yet.
 * - `authenticated`: somebody is logged in.
 * - `unauthenticated`: nobody is logged in. Only a 401 of the server leads here.
 * - `unavailable`: the server could not be asked, or did not answer the question. It is asked again by itself.
 *   This is *not* `unauthenticated`: do not show a login page for it.
 */
export type SessionStatus = 'initialising' | 'authenticated' | 'unauthenticated' | 'unavailable';

/**
 * The claims about the user that the server's `session.userClaims` selects. Render them as text, never as HTML: the
 * provider and its users choose them.
 */
export interface UserClaims {
  /** The user's identifier at the provider. */
  readonly sub?: string;
  /** Full name. */
  readonly name?: string;
  /** E-mail address. */
  readonly email?: string;
  /** Address of a picture. */
  readonly picture?: string;
  /** Any other selected claim. */
  readonly [claim: string]: unknown;
}

/** A session, as the server last described it. */
export interface Session {
  /** The user's claims. */
  readonly user: UserClaims;
  /** When the session ends unless something extends it: milliseconds since the epoch, by this browser's clock. */
  readonly expiresAt: number;
}

interface StateOf<Status extends SessionStatus, Known extends Session | null, Failure extends AuthtoolError | null> {
  /** What is known. */
  readonly status: Status;
  /**
   * There whenever `status` is `authenticated`. While it is `unavailable`, the last session that was seen stays here
   * until its own end, so that an outage does not take the page away from a logged-in user.
   */
  readonly session: Known;
  /** Why `status` is `unavailable`; otherwise `null`. */
  readonly error: Failure;
}

/**
 * What is known, at one moment. Never changes; a change makes a new one.
 *
 * Comparing `status` tells the type checker about the rest: where it is `'authenticated'`, `session` is not `null`; where
 * it is `'unavailable'`, `error` is not.
 */
export type SessionState =
  | StateOf<'initialising', null, null>
  | StateOf<'authenticated', Session, null>
  | StateOf<'unauthenticated', null, null>
  | StateOf<'unavailable', Session | null, AuthtoolError>;

/** In the order of the discriminants in Rust. */
const STATUS: readonly SessionStatus[] = ['initialising', 'authenticated', 'unauthenticated', 'unavailable'];

/** In the order of the discriminants in Rust; 0 is no failure. */
const FAILURE: readonly (AuthtoolErrorCode | undefined)[] = [
  ,
  'network',
  'server',
  'protocol',
  'login_loop',
  'unauthorized',
  'inactive',
  'wrong_mode',
];

/**
 * The error that the core describes, if it describes one.
 *
 * @internal
 */
export const errorOf = (failure: number, httpStatus: number, correlationId: string | undefined): AuthtoolError | null => {
  const code = FAILURE[failure];
  return code ? new AuthtoolError(code, httpStatus || undefined, correlationId) : null;
};

/**
 * The state before the first answer.
 *
 * @internal
 */
export const INITIAL: SessionState = Object.freeze({ status: 'initialising', session: null, error: null });

/**
 * The state that the core describes.
 *
 * @internal
 */
export const stateOf = (
  status: number,
  claims: string | undefined,
  expiresAt: number,
  failure: number,
  httpStatus: number,
  correlationId: string | undefined,
): SessionState =>
  Object.freeze({
    status: STATUS[status]!,
    session: claims ? Object.freeze({ user: Object.freeze(JSON.parse(claims) as UserClaims), expiresAt }) : null,
    error: errorOf(failure, httpStatus, correlationId),
  }) as SessionState;
