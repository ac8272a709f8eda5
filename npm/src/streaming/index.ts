/**
 * The same client, with its WebAssembly in a file of its own that is compiled while it arrives.
 *
 * ```ts
 * import { init } from '@authtool/client/streaming';
 *
 * const manager = init({ baseUrl: '/bff' });
 * ```
 *
 * The default entry needs no such file, asks for the session sooner, and costs the same. This one is for those whose pages
 * must not hold WebAssembly in a script, or who serve it from elsewhere.
 *
 * @packageDocumentation
 */
import { createManager } from '../browser.js';
import { imports, setExports } from '../core/glue.js';
import type { UserManager } from '../manager.js';
import { checkOptions, type InitOptions } from '../options.js';
import { createInertManager } from '../server.js';

export { AuthtoolError, isUnauthorized, type AuthtoolErrorCode } from '../error.js';
export type {
  AccessTokenOptions,
  AuthtoolClient,
  LoginOptions,
  LoginParameters,
  NavigationOptions,
  Unsubscribe,
  UserManager,
  UserManagerEvent,
} from '../manager.js';
export type { InitOptions, Mode } from '../options.js';
export type { Session, SessionState, SessionStatus, UserClaims } from '../state.js';

/** What {@link init} accepts. Everything is optional. */
export interface StreamingOptions extends InitOptions {
  /**
   * Where `@authtool/client/authtool.wasm` is served.
   *
   * @defaultValue beside this module, where bundlers that know `new URL('…', import.meta.url)` put it. CommonJS has no such
   * place: there it must be given.
   */
  readonly wasm?: string | URL | undefined;
}

let loading: Promise<void> | undefined;
let ready = false;

const load = async (wasm: string | URL | undefined): Promise<void> => {
  try {
    const response = await fetch(wasm ?? new URL('./authtool.wasm', import.meta.url), { credentials: 'same-origin' });
    if (!response.ok) throw new Error(`authtool.wasm: status ${response.status}`);
    // A server that does not know the media type is slower, and no failure.
    const isStreamable = response.headers.get('content-type')?.startsWith('application/wasm');
    const { instance } = await (isStreamable
      ? WebAssembly.instantiateStreaming(response, imports)
      : WebAssembly.instantiate(await response.arrayBuffer(), imports));
    setExports(instance.exports);
    ready = true;
  } finally {
    loading = undefined;
  }
};

/**
 * Makes a manager, synchronously: its addresses work at once. The session is asked for as soon as the WebAssembly is there.
 *
 * When it cannot be loaded, the state is `unavailable` with the error `load_failed`, and {@link UserManager.check} tries again.
 *
 * @param options - See {@link StreamingOptions}.
 * @throws `TypeError` that names the option, when one cannot be used.
 */
export const init = ({ wasm, ...options }: StreamingOptions = {}): UserManager => {
  const checked = checkOptions(options);
  return typeof document == 'object' ? createManager(checked, () => (ready ? undefined : (loading ??= load(wasm)))) : createInertManager(checked);
};
