import { endpointOf } from './address.js';
import { createManager } from './browser.js';
import { askAhead } from './core/platform.js';
import type { UserManager } from './manager.js';
import { load } from './instantiate.js';
import { checkOptions, type InitOptions } from './options.js';
import { createInertManager } from './server.js';

/**
 * Makes a manager, synchronously: its addresses work at once, and unless `autostart` is `false` it has already asked
 * for the session.
 *
 * Where there is no page (on a server, in a worker) the manager is inert: it stays `initialising`, asks nobody, and its
 * addresses have a placeholder origin. Nothing is compiled there, and importing the package never does anything.
 *
 * ```js
 * const manager = init({ baseUrl: '/bff' });
 * document.querySelector('a.login').href = manager.client.loginUrl().href;
 * ```
 *
 * @param options - See {@link InitOptions}.
 * @throws `TypeError` that names the option, when one cannot be used; {@link AuthtoolError} `load_failed` where WebAssembly may
 * not run.
 */
export const init = (options?: InitOptions): UserManager => {
  const checked = checkOptions(options);
  if (typeof document != 'object') return createInertManager(checked);
  if (checked.autostart) askAhead(endpointOf(checked.baseUrl, 'session'));
  return createManager(checked, load);
};
