/**
 * authtool for Svelte 4 and 5.
 *
 * ```svelte
 * <!-- the root component, or SvelteKit's +layout.svelte -->
 * <script>
 *   import { setAuthtool } from '@authtool/client/svelte';
 *
 *   const { manager, user } = setAuthtool({ baseUrl: '/bff' });
 * </script>
 *
 * {#if $user}Hello {$user.name}{/if}
 * ```
 *
 * @packageDocumentation
 */
import { getContext, onMount, setContext } from 'svelte';
import { derived, writable, type Readable } from 'svelte/store';
import { init } from '../index.js';
import type { LoginOptions, UserManager } from '../manager.js';
import type { InitOptions } from '../options.js';
import { requireLogin } from '../require-login.js';
import { INITIAL, type Session, type SessionState, type SessionStatus, type UserClaims } from '../state.js';

/** What {@link setAuthtool} accepts: the options of `init`, or a manager that was made by it. */
export interface AuthtoolOptions extends InitOptions {
  /** A manager of the app's own. It is not disposed of with the component, and the other options are not used. */
  readonly manager?: UserManager | undefined;
}

/** The manager, and its state as stores. */
export interface Authtool {
  /** For logging in and out, and whatever else acts. */
  readonly manager: UserManager;
  /** What is known about the session. */
  readonly state: Readable<SessionState>;
  /** `$state.status`. */
  readonly status: Readable<SessionStatus>;
  /** `$state.session`. */
  readonly session: Readable<Session | null>;
  /** The claims about the user, or `null`. */
  readonly user: Readable<UserClaims | null>;
}

const KEY = 'authtool';

/**
 * Makes a manager for this component and all below it, while the component is initialised. The state is `initialising`
 * until the component is mounted: hydration matches what a server rendered.
 *
 * @returns The same as {@link getAuthtool} below.
 */
export const setAuthtool = ({ manager: given, ...options }: AuthtoolOptions = {}): Authtool => {
  const manager = given ?? init({ ...options, autostart: false });
  const state = writable<SessionState>(INITIAL);
  onMount(() => {
    state.set(manager.getState());
    const unsubscribe = manager.subscribe(state.set);
    if (!given && (options.autostart ?? true)) void manager.start();
    return () => {
      unsubscribe();
      if (!given) manager.dispose();
    };
  });
  const authtool: Authtool = {
    manager,
    state: { subscribe: state.subscribe },
    status: derived(state, ({ status }) => status),
    session: derived(state, ({ session }) => session),
    user: derived(state, ({ session }) => session?.user ?? null),
  };
  return setContext(KEY, authtool);
};

/**
 * The manager and its state, while a component is initialised.
 *
 * @throws `Error` when no component above called {@link setAuthtool}.
 */
export const getAuthtool = (): Authtool => {
  const authtool = getContext<Authtool | undefined>(KEY);
  if (!authtool) throw new Error('authtool: no component above called setAuthtool; call it in the root component');
  return authtool;
};

/**
 * As long as the component is mounted, whoever is not logged in is sent to the login. Call it while the component is
 * initialised, and show the content when `$session` is there.
 *
 * A browser that keeps coming back without a session is not sent again: the state becomes `unavailable` with the error
 * `login_loop`.
 *
 * @param login - Options of the login.
 * @returns The same as {@link getAuthtool}.
 */
export const requireAuth = (login?: LoginOptions): Authtool => {
  const authtool = getAuthtool();
  onMount(() => requireLogin(authtool.manager, login));
  return authtool;
};
