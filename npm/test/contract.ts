// A frontend as somebody wrote it for the original: from its reference alone (entry points, option names, `init` that returns at
// once, `UserManager`, `isUnauthorized`). It must compile against our types as it is, and run (browser/contract.test.mjs).
import { init, isUnauthorized, type UserManager } from '@authtool/client';

const manager: UserManager = init({
  baseUrl: '/bff/',
  mode: 'tokenExchange',
  autostart: false,
  maxJitterMs: 7000,
});

// The manager is usable before anything was answered.
const login: URL = manager.client.loginUrl();
const loginFromElsewhere: URL = manager.client.loginUrl('/after?x=1#y');
const logout: URL = manager.client.logoutUrl();
const addresses: string[] = [manager.baseUrl, login.href, loginFromElsewhere.href, logout.href];

const changes: string[] = [];
const unsubscribe: () => void = manager.subscribe(() => {
  changes.push(manager.state.status);
});

async function whoIsThere(): Promise<string> {
  try {
    await manager.start();
    const session = await manager.getSession();
    return String(session.user.email);
  } catch (error) {
    if (isUnauthorized(error)) return 'nobody';
    throw error;
  }
}

const outcome = (async () => {
  const user = await whoIsThere();
  const token: string = user === 'nobody' ? '' : await manager.getAccessToken();
  unsubscribe();
  return { user, token, addresses, changes };
})();

Object.assign(globalThis, { outcome });
