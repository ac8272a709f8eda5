import { createElement, useEffect, useRef, useState, type ReactElement, type ReactNode } from 'react';
import { init } from '../index.js';
import type { UserManager } from '../manager.js';
import type { InitOptions } from '../options.js';
import { ManagerContext } from './context.js';

/** What `AuthtoolProvider` accepts: the options of `init`, or a manager that was made by it. */
export interface AuthtoolProviderProps extends InitOptions {
  /**
   * A manager of the app's own, for use outside of React as well (a router's loaders, for instance). The provider
   * neither starts nor disposes of it, and the other options are not used.
   */
  readonly manager?: UserManager | undefined;
  /** The app. */
  readonly children?: ReactNode;
}

/** Makes a manager that lives as long as the component, and asks for nothing while React renders. */
const useOwnManager = (wanted: boolean, options: InitOptions): UserManager | undefined => {
  const make = (): UserManager | undefined => (wanted ? init({ ...options, autostart: false }) : undefined);
  const [own, replace] = useState(make);
  const ending = useRef<ReturnType<typeof setTimeout>>(undefined);
  const ended = useRef<UserManager>(undefined);
  useEffect(() => {
    if (!own) return undefined;
    // Strict Mode, and Fast Refresh, unmount for show: the manager survives what is over within one turn.
    clearTimeout(ending.current);
    // Hidden for longer than that, by an <Activity>, and shown again.
    if (ended.current == own) replace(make);
    else if (options.autostart ?? true) void own.start();
    return () => {
      ending.current = setTimeout(() => {
        ended.current = own;
        own.dispose();
      });
    };
  }, [own]);
  return own;
};

/**
 * Gives the components below it a manager. Put it around the app, once.
 *
 * ```tsx
 * createRoot(root).render(
 *   <AuthtoolProvider baseUrl="/bff">
 *     <App />
 *   </AuthtoolProvider>,
 * );
 * ```
 *
 * The options are read once; a `key` makes it read them again. On a server it renders the state `initialising`, and so
 * does the first render in the browser: hydration matches.
 */
export const AuthtoolProvider = ({ manager, children, ...options }: AuthtoolProviderProps): ReactElement => {
  const own = useOwnManager(!manager, options);
  return createElement(ManagerContext.Provider, { value: manager ?? own }, children);
};
