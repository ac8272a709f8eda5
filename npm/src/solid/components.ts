import { createComponent, onCleanup, onMount, Show, type Accessor, type JSX } from 'solid-js';
import type { LoginOptions } from '../manager.js';
import { requireLogin } from '../require-login.js';
import type { Session } from '../state.js';
import { useAuthtool } from './provider.js';

/** The one of `Show`'s signatures that is used here: TypeScript finds none by itself without JSX. */
const When = Show as (props: {
  readonly when: Session | boolean | null;
  readonly fallback?: JSX.Element;
  readonly children?: AuthenticatedProps['children'];
}) => JSX.Element;

/** What {@link Authenticated} accepts. */
export interface AuthenticatedProps {
  /** For somebody who is logged in; a function is given the session. */
  readonly children?: JSX.Element | ((session: Accessor<Session>) => JSX.Element);
  /** For as long as that is not known, or not so. */
  readonly fallback?: JSX.Element;
}

/** Shows its children while there is a session, and keeps them through an outage of the server. */
export const Authenticated = (props: AuthenticatedProps): JSX.Element => {
  const { session } = useAuthtool();
  return createComponent(When, {
    get when() {
      return session();
    },
    get fallback() {
      return props.fallback;
    },
    get children() {
      return props.children;
    },
  });
};

/** What {@link Unauthenticated} accepts. */
export interface UnauthenticatedProps {
  /** For somebody of whom it is known that they are not logged in. */
  readonly children?: JSX.Element;
}

/** Shows its children when it is known that nobody is logged in. */
export const Unauthenticated = (props: UnauthenticatedProps): JSX.Element => {
  const { status } = useAuthtool();
  return createComponent(When, {
    get when() {
      return status() == 'unauthenticated';
    },
    get children() {
      return props.children;
    },
  });
};

/** What {@link RequireAuth} accepts. */
export interface RequireAuthProps extends AuthenticatedProps {
  /** Of the login. It returns to the current page, unless `redirectUri` says otherwise. */
  readonly login?: LoginOptions | undefined;
}

/**
 * Shows its children to somebody who is logged in, and sends everybody else to the login.
 *
 * A browser that keeps coming back without a session is not sent again: the state becomes `unavailable` with the error
 * `login_loop`.
 */
export const RequireAuth = (props: RequireAuthProps): JSX.Element => {
  const { manager } = useAuthtool();
  onMount(() => onCleanup(requireLogin(manager, props.login)));
  return Authenticated(props);
};
