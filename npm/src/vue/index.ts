/**
 * authtool for Vue 3.
 *
 * ```ts
 * import { createAuthtool } from '@authtool/client/vue';
 *
 * createApp(App).use(createAuthtool({ baseUrl: '/bff' })).mount('#app');
 * ```
 *
 * @packageDocumentation
 */
export { createAuthtool, useAuthtool, type Authtool, type AuthtoolOptions, type AuthtoolPlugin } from './authtool.js';
export { Authenticated, RequireAuth, Unauthenticated } from './components.js';
