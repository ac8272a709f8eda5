import { useEffect, useMemo, useSyncExternalStore } from 'react';
import type { UserManager } from '../manager.js';
import { INITIAL, type SessionState, type UserClaims } from '../state.js';
import { useUserManager } from './context.js';

const initial = (): SessionState => INITIAL;
const nobody = (): null => null;

/**
 * What is known about the session, followed.
 *
 * ```tsx
 * const { status, session, error } = useSession();
 * ```
 */
export const useSession = (): SessionState => {
  const { subscribe, getState } = useUserManager();
  return useSyncExternalStore(subscribe, getState, initial);
};

/**
 * The claims about the user, or `null` as long as no session is known. The type parameter describes claims that the
 * server's `session.userClaims` adds.
 *
 * ```tsx
 * const user = useUser<{ roles: string[] }>();
 * ```
 */
export const useUser = <Claims extends object = UserClaims>(): (UserClaims & Readonly<Claims>) | null => {
  const { subscribe, getState } = useUserManager();
  return useSyncExternalStore(
    subscribe,
    () => (getState().session?.user ?? null) as (UserClaims & Readonly<Claims>) | null,
    nobody,
  );
};

/**
 * In `tokenExchange` mode, the function that returns a currently valid access token. The token itself is in no state of
 * React's, where developer tools and error reports would find it: ask for it before each use, and keep it nowhere.
 *
 * ```tsx
 * const getAccessToken = useAccessToken();
 * const pay = async () => api.pay(await getAccessToken());
 * ```
 */
export const useAccessToken = (): UserManager['getAccessToken'] => useUserManager().getAccessToken;

/** What `useAuthtoolContext` returns: the manager, and its state. */
export type AuthtoolContext = SessionState & { readonly manager: UserManager };

/**
 * The manager together with its state, followed; starts the manager, if nobody has.
 *
 * ```tsx
 * const { manager, status, session } = useAuthtoolContext();
 * ```
 */
export const useAuthtoolContext = (): AuthtoolContext => {
  const manager = useUserManager();
  const state = useSession();
  useEffect(() => void manager.start(), [manager]);
  return useMemo(() => ({ ...state, manager }), [state, manager]);
};
