import { addressOf } from './address.js';
import { Core } from './core/glue.js';
import { AuthtoolError } from './error.js';
import { createFetch } from './fetch.js';
import type { LoginOptions, Unsubscribe, UserManager, UserManagerEvent } from './manager.js';
import type { CheckedOptions } from './options.js';
import { errorOf, INITIAL, stateOf, type Session, type SessionState } from './state.js';

type Listener = (state: SessionState) => void;

/** In the order of the discriminants in Rust. */
const EVENTS: readonly UserManagerEvent[] = ['login', 'logout', 'expired', 'unavailable', 'expiring'];

/**
 * The manager of a page: gives the core, which decides everything, the idioms of JavaScript.
 *
 * `load` makes sure that the core can be made. Where that takes a while, what needs it waits.
 */
export const createManager = (options: CheckedOptions, load: () => Promise<void> | undefined): UserManager => {
  const { baseUrl, mode, autostart, maxJitterMs, expiringMs, pollMs } = options;
  let state = INITIAL;
  let core: Core | undefined;
  let disposed = false;
  let first: Promise<SessionState> | undefined;
  let waiting: Listener[] = [];
  const subscribers = new Map<object, [UserManagerEvent | undefined, Listener]>();

  const call = (listener: Listener): void => {
    try {
      listener(state);
    } catch (error) {
      // One listener's defect is not the next one's, nor the core's.
      (globalThis.reportError ?? console.error)(error);
    }
  };
  const tell = (event?: UserManagerEvent): void => {
    for (const [wanted, listener] of [...subscribers.values()]) if (wanted == event) call(listener);
  };
  const listen = (event: UserManagerEvent | undefined, listener: Listener): Unsubscribe => {
    const key = {};
    if (!disposed) subscribers.set(key, [event, listener]);
    return () => void subscribers.delete(key);
  };
  const settle = (): void => {
    const resolvers = waiting;
    waiting = [];
    resolvers.forEach(call);
  };

  const createCore = (): void => {
    core = new Core(baseUrl, mode == 'bff' ? -1 : maxJitterMs, expiringMs || -Infinity, pollMs || Infinity, {
      changed: (...description: Parameters<typeof stateOf>) => {
        state = stateOf(...description);
        tell();
      },
      occurred: (occurrence: number) => tell(EVENTS[occurrence]),
      settled: settle,
    });
  };
  /** What cannot be loaded is an outage, and says why. */
  const loadFailed = (cause: unknown): void => {
    state = Object.freeze({ status: 'unavailable', session: null, error: new AuthtoolError('load_failed', undefined, undefined, { cause }) });
    tell();
    tell('unavailable');
    settle();
  };
  let loaded: Promise<void> | undefined;
  const begin = (): void => {
    const loading = load();
    if (!loading) return createCore();
    loaded = loading
      .then(() => disposed || createCore())
      .catch(loadFailed)
      .then(() => void (loaded = undefined));
  };
  begin();
  const whenLoaded = (action: () => void): void => {
    if (loaded) void loaded.then(action);
    else action();
  };

  const check = (): Promise<SessionState> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (!core && !disposed && !loaded) begin();
      whenLoaded(() => (core ? core.check() : settle()));
    });
  const start = (): Promise<SessionState> => (first ??= check());
  const getAccessToken: UserManager['getAccessToken'] = ({ rejected } = {}) =>
    new Promise((resolve, reject) => {
      const done = (token: string | undefined, ...failure: Parameters<typeof errorOf>): void =>
        token ? resolve(token) : reject(errorOf(...failure));
      whenLoaded(() => (core ? core.token(rejected, { done }) : reject(disposed ? new AuthtoolError('inactive') : state.error)));
    });
  const leave = (logout: boolean, options: LoginOptions = {}): void => {
    const url = addressOf(baseUrl, logout, options.redirectUri, logout ? undefined : options).href;
    whenLoaded(() => core?.leave(logout, url));
  };

  const manager: UserManager = {
    baseUrl,
    mode,
    client: {
      loginUrl: (redirectUri, parameters) => addressOf(baseUrl, false, redirectUri, parameters),
      logoutUrl: (redirectUri) => addressOf(baseUrl, true, redirectUri),
    },
    get state() {
      return state;
    },
    getState: () => state,
    start,
    check,
    refresh: check,
    getSession: async (): Promise<Session> => {
      if (state == INITIAL) await start();
      if (state.session) return state.session;
      throw state.error ?? (state == INITIAL ? new AuthtoolError('inactive') : new AuthtoolError('unauthorized', 401));
    },
    getAccessToken,
    fetch: createFetch(options, { getAccessToken, check }, () => core?.touch()),
    subscribe: (listener) => listen(undefined, listener),
    on: listen,
    login: (options) => leave(false, options),
    logout: (options) => leave(true, options),
    dispose: () => {
      disposed = true;
      core?.dispose();
      core?.free();
      core = undefined;
      subscribers.clear();
      settle();
    },
  };
  if (autostart) void start();
  return manager;
};
