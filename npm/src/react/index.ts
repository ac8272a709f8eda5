'use client';
/**
 * authtool for React 18 and 19.
 *
 * ```tsx
 * import { AuthtoolProvider, RequireAuth, useUser } from '@authtool/client/react';
 *
 * const Hello = () => <h1>Hello {useUser()?.name}</h1>;
 *
 * export const App = () => (
 *   <AuthtoolProvider baseUrl="/bff">
 *     <RequireAuth>
 *       <Hello />
 *     </RequireAuth>
 *   </AuthtoolProvider>
 * );
 * ```
 *
 * @packageDocumentation
 */
export {
  Authenticated,
  RequireAuth,
  Unauthenticated,
  type AuthenticatedProps,
  type Content,
  type RequireAuthProps,
  type UnauthenticatedProps,
} from './components.js';
export { useUserManager } from './context.js';
export { useAccessToken, useAuthtoolContext, useSession, useUser, type AuthtoolContext } from './hooks.js';
export { AuthtoolProvider, type AuthtoolProviderProps } from './provider.js';
