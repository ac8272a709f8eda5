import { computed, getCurrentInstance, inject, onMounted, shallowRef, type App, type ComputedRef, type InjectionKey, type ShallowRef } from 'vue';
import { init } from '../index.js';
import type { UserManager } from '../manager.js';
import type { InitOptions } from '../options.js';
import { INITIAL, type Session, type SessionState, type SessionStatus, type UserClaims } from '../state.js';

/** What `createAuthtool` accepts: the options of `init`, or a manager that was made by it. */
export interface AuthtoolOptions extends InitOptions {
  /** A manager of the app's own. The plugin does not dispose of it, and the other options are not used. */
  readonly manager?: UserManager | undefined;
}

/** The manager, and its state as refs. */
export interface Authtool {
  /** For logging in and out, and whatever else acts. */
  readonly manager: UserManager;
  /** What is known about the session. */
  readonly state: Readonly<ShallowRef<SessionState>>;
  /** `state.value.status`. */
  readonly status: ComputedRef<SessionStatus>;
  /** `state.value.session`. */
  readonly session: ComputedRef<Session | null>;
  /** The claims about the user, or `null`. */
  readonly user: ComputedRef<UserClaims | null>;
}

/** {@link Authtool}, to be given to `app.use`. */
export interface AuthtoolPlugin extends Authtool {
  /** Called by `app.use`. */
  readonly install: (app: App) => void;
}

interface Provided extends Authtool {
  readonly follow: () => void;
}

const KEY: InjectionKey<Provided> = Symbol('authtool');

/**
 * The plugin.
 *
 * ```ts
 * createApp(App).use(createAuthtool({ baseUrl: '/bff' })).mount('#app');
 * ```
 *
 * The state is `initialising` until the first component that uses it is mounted: hydration matches what a server
 * rendered.
 */
export const createAuthtool = ({ manager: given, ...options }: AuthtoolOptions = {}): AuthtoolPlugin => {
  const manager = given ?? init(options);
  const state = shallowRef<SessionState>(INITIAL);
  let following = false;
  const authtool: Authtool = {
    manager,
    state,
    status: computed(() => state.value.status),
    session: computed(() => state.value.session),
    user: computed(() => state.value.session?.user ?? null),
  };
  const follow = (): void => {
    if (following) return;
    following = true;
    state.value = manager.getState();
    manager.subscribe((next) => {
      state.value = next;
    });
  };
  return {
    ...authtool,
    install: (app) => {
      app.provide(KEY, { ...authtool, follow });
      // Vue 3.5 and later.
      if (!given) app.onUnmount?.(manager.dispose);
    },
  };
};

/**
 * The manager and its state, in a component's `setup`.
 *
 * ```ts
 * const { manager, status, user } = useAuthtool();
 * ```
 *
 * @throws `Error` when the plugin is not installed.
 */
export const useAuthtool = (): Authtool => {
  const provided = inject(KEY, null);
  if (!provided) throw new Error('authtool: the plugin is not installed; add app.use(createAuthtool({ ... }))');
  if (getCurrentInstance()) onMounted(provided.follow);
  else provided.follow();
  return provided;
};
