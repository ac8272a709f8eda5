import { AuthtoolError } from '../index.js';
import type { AccessTokenOptions, LoginOptions, NavigationOptions, Unsubscribe, UserManager, UserManagerEvent } from '../manager.js';
import type { Mode } from '../options.js';
import type { Session, SessionState, SessionStatus, UserClaims } from '../state.js';

/** How a fake manager begins. */
export interface FakeManagerOptions {
  /** Somebody who is logged in. Decides the status, unless that is given as well. */
  readonly user?: UserClaims | undefined;
  /**
   * The status to begin with.
   *
   * @defaultValue `'authenticated'` with a `user`, `'unauthenticated'` without
   */
  readonly status?: SessionStatus | undefined;
  /**
   * When the session ends, in milliseconds since the epoch. Nothing happens then by itself.
   *
   * @defaultValue in an hour
   */
  readonly expiresAt?: number | undefined;
  /** Why the status is `unavailable`. */
  readonly error?: AuthtoolError | undefined;
  /**
   * What `getAccessToken` resolves to while somebody is logged in, or what makes it.
   *
   * @defaultValue `'access-token'`
   */
  readonly accessToken?: string | ((options: AccessTokenOptions) => string | Promise<string>) | undefined;
  /**
   * What `fetch` does.
   *
   * @defaultValue the global `fetch`, looked up at each call, so that the usual ways of faking it work
   */
  readonly fetch?: typeof fetch | undefined;
  /** @defaultValue `'/bff'` */
  readonly baseUrl?: string | undefined;
  /** @defaultValue `'bff'` */
  readonly mode?: Mode | undefined;
}

/** What the app did with a fake manager, in the order in which it did it. */
export interface FakeCalls {
  /** The options of each `login`. */
  readonly login: LoginOptions[];
  /** The options of each `logout`. */
  readonly logout: NavigationOptions[];
  /** How often the app looked for the session: `start`, `check`, `refresh`. */
  checks: number;
  /** The options of each `getAccessToken`. */
  readonly getAccessToken: AccessTokenOptions[];
  /** The arguments of each `fetch`. */
  readonly fetch: Parameters<UserManager['fetch']>[];
  /** Whether the manager was disposed. */
  disposed: boolean;
}

/**
 * A manager whose state is what the test says. It asks no server, and leaves no page: `login` and `logout` are only
 * recorded, and as with the real one, the state does not change by them.
 */
export interface FakeManager extends UserManager {
  /** What the app did so far. */
  readonly calls: FakeCalls;
  /** Somebody logs in, here or in another tab, or is found to be logged in. */
  readonly authenticate: (user?: UserClaims, expiresAt?: number) => void;
  /** The session is about to end: its `expiresAt` is so many milliseconds from now. */
  readonly expireSoon: (inMs?: number) => void;
  /** The session is gone after a logout in another tab. */
  readonly endSession: () => void;
  /** The session is gone without a logout. */
  readonly expire: () => void;
  /** The server cannot be asked. A session stays known, as it does with the real one. */
  readonly fail: (error?: AuthtoolError) => void;
  /** Any state at all, without an event. */
  readonly setState: (state: SessionState) => void;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const stateFrom = ({ user, status, error, expiresAt = Date.now() + HOUR_MS }: FakeManagerOptions): SessionState => {
  const session: Session | null = user ? { user, expiresAt } : null;
  switch (status ?? (user ? 'authenticated' : 'unauthenticated')) {
    case 'initialising':
      return { status: 'initialising', session: null, error: null };
    case 'authenticated':
      return { status: 'authenticated', session: session ?? { user: {}, expiresAt }, error: null };
    case 'unauthenticated':
      return { status: 'unauthenticated', session: null, error: null };
    case 'unavailable':
      return { status: 'unavailable', session, error: error ?? new AuthtoolError('network') };
  }
};

/**
 * Makes a manager for a test.
 *
 * @param options - See {@link FakeManagerOptions}. Without any, nobody is logged in.
 */
export const createFakeManager = (options: FakeManagerOptions = {}): FakeManager => {
  const { baseUrl = '/bff', mode = 'bff', accessToken = 'access-token' } = options;
  const calls: FakeCalls = { login: [], logout: [], checks: 0, getAccessToken: [], fetch: [], disposed: false };
  const listeners = new Map<object, [UserManagerEvent | undefined, (state: SessionState) => void]>();
  let state = Object.freeze(stateFrom(options));

  const tell = (about?: UserManagerEvent): void => {
    for (const [event, listener] of [...listeners.values()]) if (event == about) listener(state);
  };
  const become = (next: SessionState, event?: UserManagerEvent): void => {
    if (calls.disposed) return;
    state = Object.freeze(next);
    tell();
    if (event) tell(event);
  };
  const listen = (event: UserManagerEvent | undefined, listener: (state: SessionState) => void): Unsubscribe => {
    const key = {};
    if (!calls.disposed) listeners.set(key, [event, listener]);
    return () => void listeners.delete(key);
  };
  const check = async (): Promise<SessionState> => {
    calls.checks++;
    return state;
  };
  const url = (path: string, redirectUri?: string | URL | null): URL => {
    const address = new URL(baseUrl.replace(/\/*$/, path), globalThis.location?.origin ?? 'http://localhost');
    if (redirectUri) address.searchParams.set('redirect_uri', redirectUri.toString());
    return address;
  };

  return {
    baseUrl,
    mode,
    client: {
      loginUrl: (redirectUri) => url('/login', redirectUri),
      logoutUrl: (redirectUri) => url('/logout', redirectUri),
    },
    get state() {
      return state;
    },
    getState: () => state,
    start: check,
    check,
    refresh: check,
    getSession: async () => {
      if (state.session) return state.session;
      throw state.error ?? new AuthtoolError(state.status == 'initialising' ? 'inactive' : 'unauthorized');
    },
    getAccessToken: async (wanted = {}) => {
      calls.getAccessToken.push(wanted);
      if (mode == 'bff') throw new AuthtoolError('wrong_mode');
      if (!state.session) throw state.error ?? new AuthtoolError('unauthorized');
      return typeof accessToken == 'function' ? accessToken(wanted) : accessToken;
    },
    fetch: async (...request) => {
      calls.fetch.push(request);
      return (options.fetch ?? globalThis.fetch)(...request);
    },
    subscribe: (listener) => listen(undefined, listener),
    on: listen,
    login: (navigation = {}) => void calls.login.push(navigation),
    logout: (navigation = {}) => void calls.logout.push(navigation),
    dispose: () => {
      calls.disposed = true;
      listeners.clear();
    },
    calls,
    authenticate: (user = {}, expiresAt) => become(stateFrom({ user, expiresAt }), 'login'),
    expireSoon: (inMs = MINUTE_MS) => become(stateFrom({ user: state.session?.user ?? {}, expiresAt: Date.now() + inMs }), 'expiring'),
    endSession: () => become(stateFrom({}), 'logout'),
    expire: () => become(stateFrom({}), 'expired'),
    fail: (error) =>
      become(
        stateFrom({ status: 'unavailable', error, user: state.session?.user, expiresAt: state.session?.expiresAt }),
        'unavailable',
      ),
    setState: (next) => become(next),
  };
};
