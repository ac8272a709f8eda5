/**
 * Is somebody logged in? The browser client of authtool.
 *
 * ```ts
 * import { init } from '@authtool/client';
 *
 * const manager = init({ baseUrl: '/bff' });
 * manager.subscribe(() => console.log(manager.state.status));
 * ```
 *
 * @packageDocumentation
 */
export { AuthtoolError, isUnauthorized, type AuthtoolErrorCode } from './error.js';
export { init } from './init.js';
export type {
  AccessTokenOptions,
  AuthtoolClient,
  LoginOptions,
  LoginParameters,
  NavigationOptions,
  Unsubscribe,
  UserManager,
  UserManagerEvent,
} from './manager.js';
export type { InitOptions, Mode } from './options.js';
export type { Session, SessionState, SessionStatus, UserClaims } from './state.js';
