import { useEffect, type ReactNode } from 'react';
import type { LoginOptions } from '../manager.js';
import { requireLogin } from '../require-login.js';
import type { Session, SessionState } from '../state.js';
import { useUserManager } from './context.js';
import { useSession } from './hooks.js';

/** Content, or a function that makes it from what is known. */
export type Content<Known> = ReactNode | ((known: Known) => ReactNode);

const render = <Known>(content: Content<Known>, known: Known): ReactNode =>
  typeof content == 'function' ? content(known) : content;

/** What `Authenticated` accepts. */
export interface AuthenticatedProps {
  /** For somebody who is logged in. */
  readonly children?: Content<Session>;
  /** For as long as that is not known, or not so. */
  readonly fallback?: Content<SessionState>;
}

/**
 * Shows its children while there is a session, and keeps them through an outage of the server.
 *
 * ```tsx
 * <Authenticated>{({ user }) => <p>Hello {user.name}</p>}</Authenticated>
 * ```
 */
export const Authenticated = ({ children, fallback }: AuthenticatedProps): ReactNode => {
  const state = useSession();
  return state.session ? render(children, state.session) : render(fallback, state);
};

/** What `Unauthenticated` accepts. */
export interface UnauthenticatedProps {
  /** For somebody of whom it is known that they are not logged in. */
  readonly children?: ReactNode;
}

/**
 * Shows its children when it is known that nobody is logged in: not while that is being found out, and not when it
 * cannot be.
 */
export const Unauthenticated = ({ children }: UnauthenticatedProps): ReactNode =>
  useSession().status == 'unauthenticated' ? children : null;

/** What `RequireAuth` accepts. */
export interface RequireAuthProps extends AuthenticatedProps {
  /** Of the login. It returns to the current page, unless `redirectUri` says otherwise. */
  readonly login?: LoginOptions | undefined;
}

/**
 * Shows its children to somebody who is logged in, and sends everybody else to the login.
 *
 * A browser that keeps coming back without a session is not sent again: the state becomes `unavailable` with the error
 * `login_loop`. A `fallback` that is a function can tell that apart, and offer a button.
 *
 * ```tsx
 * <RequireAuth fallback={({ error }) => (error ? <Outage error={error} /> : <Spinner />)}>
 *   <Invoices />
 * </RequireAuth>
 * ```
 */
export const RequireAuth = ({ login, ...props }: RequireAuthProps): ReactNode => {
  const manager = useUserManager();
  useEffect(() => requireLogin(manager, login), [manager]);
  return Authenticated(props);
};
