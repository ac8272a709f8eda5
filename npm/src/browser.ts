import { AuthtoolError } from './error.js';
import { createCore } from './instantiate.js';
import type { NavigationOptions, Unsubscribe, UserManager, UserManagerEvent } from './manager.js';
import type { CheckedOptions } from './options.js';
import { INITIAL, stateOf, type Session, type SessionState } from './state.js';

type Listener = (state: SessionState) => void;

/** In the order of the discriminants in Rust. */
const EVENTS: readonly UserManagerEvent[] = ['login', 'logout', 'expired', 'unavailable'];

/** The manager of a page: gives the core, which decides everything, the idioms of JavaScript. */
export const createManager = ({ baseUrl, mode, autostart }: CheckedOptions): UserManager => {
  let state = INITIAL;
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

  const core = createCore(baseUrl, {
    changed: (...description: Parameters<typeof stateOf>) => {
      state = stateOf(...description);
      tell();
    },
    occurred: (occurrence: number) => tell(EVENTS[occurrence]),
    settled: settle,
  });

  const check = (): Promise<SessionState> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (disposed) settle();
      else core.check();
    });
  const start = (): Promise<SessionState> => (first ??= check());
  const url = (address: string): URL => new URL(address, location.href);
  const text = (redirectUri?: string | URL): string | undefined => redirectUri?.toString();

  const manager: UserManager = {
    // Not at once: the first request would wait for the engine to compile one more function.
    get baseUrl() {
      return core.baseUrl();
    },
    mode,
    client: {
      loginUrl: (redirectUri) => url(core.url(false, text(redirectUri))),
      logoutUrl: (redirectUri) => url(core.url(true, text(redirectUri))),
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
    subscribe: (listener) => listen(undefined, listener),
    on: listen,
    login: (options?: NavigationOptions) => core.leave(false, text(options?.redirectUri)),
    logout: (options?: NavigationOptions) => core.leave(true, text(options?.redirectUri)),
    dispose: () => {
      disposed = true;
      core.dispose();
      subscribers.clear();
      settle();
    },
  };
  if (autostart) void start();
  return manager;
};
