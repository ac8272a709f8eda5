/**
 * authtool for Solid.
 *
 * ```tsx
 * import { AuthtoolProvider, RequireAuth, useAuthtool } from '@authtool/client/solid';
 *
 * const Hello = () => <h1>Hello {useAuthtool().user()?.name}</h1>;
 *
 * render(
 *   () => (
 *     <AuthtoolProvider baseUrl="/bff">
 *       <RequireAuth>
 *         <Hello />
 *       </RequireAuth>
 *     </AuthtoolProvider>
 *   ),
 *   root,
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
  type RequireAuthProps,
  type UnauthenticatedProps,
} from './components.js';
export { AuthtoolProvider, useAuthtool, type Authtool, type AuthtoolProviderProps } from './provider.js';
