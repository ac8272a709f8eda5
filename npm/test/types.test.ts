// Compiled, not run: what an editor tells the users of the package.
import { init, isUnauthorized, type AuthtoolError, type InitOptions, type Session, type SessionState } from '@authtool/client';
import { init as initLater } from '@authtool/client/streaming';

const manager = init({ baseUrl: undefined, mode: 'tokenMediation' });

export const shown = (state: SessionState): string => {
  switch (state.status) {
    case 'authenticated':
      return state.session.user.name ?? 'somebody';
    case 'unavailable':
      return `${state.error.code} ${state.session?.expiresAt}`;
    case 'initialising':
    case 'unauthenticated': {
      const nothing: null = state.session;
      return String(nothing);
    }
  }
};

export const told = (error: AuthtoolError | TypeError): string => {
  if (isUnauthorized(error)) {
    const code: 'unauthorized' = error.code;
    return code;
  }
  // Other failures of the same class are still possible here.
  return 'code' in error ? error.code : error.message;
};

export const session: Promise<Session> = manager.getSession();
export const link: string = manager.client.loginUrl(new URL('https://app.example/')).href;
manager.login({ redirectUri: undefined });
manager.on('expired', ({ status }) => void status)();
manager.on('expiring', ({ session }) => void session?.expiresAt)();
manager.login({ prompt: ['login', 'consent'], loginHint: 'ada', acrValues: 'urn:x', maxAge: 60, uiLocales: ['de'], client: 'second' });
export const reauthenticate: URL = manager.client.loginUrl(null, { prompt: 'login' });
export const token: Promise<string> = manager.getAccessToken({ rejected: 'an old one' });
/** It can stand wherever a `fetch` is asked for. */
export const transport: typeof fetch = manager.fetch;
export const later = initLater({ wasm: new URL('https://app.example/authtool.wasm'), allowedOrigins: [new URL('https://api.example')] });
export const same: typeof manager = later;

// @ts-expect-error: an event that does not exist
manager.on('expire', () => {});
// @ts-expect-error: an option that does not exist
init({ baseURL: '/bff' });
// @ts-expect-error: the state is a snapshot
manager.state.status = 'authenticated';
// @ts-expect-error: a parameter that does not exist
manager.login({ login_hint: 'ada' });
// @ts-expect-error: the default entry has its WebAssembly inside
init({ wasm: '/authtool.wasm' });
// @ts-expect-error: a mode that does not exist
export const options: InitOptions = { mode: 'token' };
