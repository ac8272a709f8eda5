import { createComponent, createContext, createSignal, onCleanup, onMount, splitProps, useContext, type Accessor, type JSX } from 'solid-js';
import { init } from '../index.js';
import type { UserManager } from '../manager.js';
import type { InitOptions } from '../options.js';
import { INITIAL, type Session, type SessionState, type SessionStatus, type UserClaims } from '../state.js';

/** The manager, and its state as accessors. */
export interface Authtool {
  /** For logging in and out, and whatever else acts. */
  readonly manager: UserManager;
  /** What is known about the session. */
  readonly state: Accessor<SessionState>;
  /** `state().status`. */
  readonly status: Accessor<SessionStatus>;
  /** `state().session`. */
  readonly session: Accessor<Session | null>;
  /** The claims about the user, or `null`. */
  readonly user: Accessor<UserClaims | null>;
}

/** What {@link AuthtoolProvider} accepts: the options of `init`, or a manager that was made by it. */
export interface AuthtoolProviderProps extends InitOptions {
  /** A manager of the app's own. The provider does not dispose of it, and the other options are not used. */
  readonly manager?: UserManager | undefined;
  /** The app. */
  readonly children?: JSX.Element;
}

const Context = createContext<Authtool>();

/**
 * Gives the components below it a manager. The options are read once. The state is `initialising` until the provider
 * is mounted: hydration matches what a server rendered.
 */
export const AuthtoolProvider = (props: AuthtoolProviderProps): JSX.Element => {
  const [{ manager: given, autostart = true }, options] = splitProps(props, ['manager', 'autostart', 'children']);
  const manager = given ?? init({ ...options, autostart: false });
  const [state, setState] = createSignal<SessionState>(INITIAL);
  onMount(() => {
    setState(manager.getState());
    onCleanup(manager.subscribe(setState));
    if (!given) {
      onCleanup(manager.dispose);
      if (autostart) void manager.start();
    }
  });
  const value: Authtool = {
    manager,
    state,
    status: () => state().status,
    session: () => state().session,
    user: () => state().session?.user ?? null,
  };
  return createComponent(Context.Provider, {
    value,
    get children() {
      return props.children;
    },
  });
};

/**
 * The manager and its state.
 *
 * ```ts
 * const { manager, status, user } = useAuthtool();
 * ```
 *
 * @throws `Error` when there is no {@link AuthtoolProvider} above.
 */
export const useAuthtool = (): Authtool => {
  const authtool = useContext(Context);
  if (!authtool) throw new Error('authtool: no <AuthtoolProvider> above this component; put one around the app');
  return authtool;
};
