import { createContext, useContext } from 'react';
import type { UserManager } from '../manager.js';

/** Holds the manager, which never changes by itself; its state is subscribed to where it is used. */
export const ManagerContext = createContext<UserManager | undefined>(undefined);

/**
 * The manager, without following its state: for event handlers that only act.
 *
 * ```tsx
 * const manager = useUserManager();
 * return <button onClick={() => manager.logout()}>Log out</button>;
 * ```
 *
 * @throws `Error` when there is no `AuthtoolProvider` above.
 */
export const useUserManager = (): UserManager => {
  const manager = useContext(ManagerContext);
  if (!manager) throw new Error('authtool: no <AuthtoolProvider> above this component; put one around the app');
  return manager;
};
