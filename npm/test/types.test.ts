// Compiled, not run: what an editor tells the users of the package.
import { init, isUnauthorized, type AuthtoolError, type InitOptions, type Session, type SessionState } from '@authtool/client';

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

// @ts-expect-error: an event that does not exist
manager.on('expire', () => {});
// @ts-expect-error: an option that does not exist
init({ baseURL: '/bff' });
// @ts-expect-error: the state is a snapshot
manager.state.status = 'authenticated';
// @ts-expect-error: a mode that does not exist
export const options: InitOptions = { mode: 'token' };
