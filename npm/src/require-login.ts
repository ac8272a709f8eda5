import type { LoginOptions, Unsubscribe, UserManager } from './manager.js';

/** Managers that were sent to the login a moment ago. */
const leaving = new WeakSet<UserManager>();

/**
 * As long as it is in force, whoever is not logged in is sent to the login. The core's guard against loops decides
 * how often that may happen; beyond it, the state becomes `unavailable`.
 *
 * @param manager - Is started, if nobody has.
 * @param options - Of the login.
 * @returns Ends it.
 *
 * @internal
 */
export const requireLogin = (manager: UserManager, options?: LoginOptions): Unsubscribe => {
  const look = (): void => {
    if (manager.getState().status != 'unauthenticated' || leaving.has(manager)) return;
    // Several at once (nested guards, React's Strict Mode) want one and the same login, and the guard counts.
    leaving.add(manager);
    setTimeout(() => leaving.delete(manager));
    manager.login(options);
  };
  // Back from the provider through the back/forward cache: the page still shows that it is leaving.
  const back = (event: PageTransitionEvent): void => {
    if (event.persisted) void manager.check().then(look);
  };
  const unsubscribe = manager.subscribe(look);
  addEventListener('pageshow', back);
  void manager.start();
  look();
  return () => {
    removeEventListener('pageshow', back);
    unsubscribe();
  };
};
