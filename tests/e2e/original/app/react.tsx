// The same in React.
import { init, isUnauthorized } from '@authtool/client';
import { Authenticated, AuthtoolProvider, Unauthenticated, useAccessToken, useAuthtoolContext, useSession, useUser } from '@authtool/client/react';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

const mode = document.documentElement.dataset['mode'] === 'bff' ? 'bff' : 'tokenExchange';

function Account() {
  const { manager, status, session, error } = useAuthtoolContext();
  const getAccessToken = useAccessToken();
  const [answer, setAnswer] = useState('');
  const call = async () => {
    try {
      const headers: HeadersInit = manager.mode === 'bff' ? {} : { authorization: `Bearer ${await getAccessToken()}` };
      const response = await fetch('/api/orders', { headers });
      setAnswer(`${response.status} ${await response.text()}`);
    } catch (failure) {
      setAnswer(isUnauthorized(failure) ? 'nobody' : String(failure));
    }
  };
  return (
    <>
      <p id="base">{manager.baseUrl}</p>
      <p id="status">{status}</p>
      <p id="error">{error ? error.code : 'none'}</p>
      <p id="context">{session ? session.user.email : 'nobody'}</p>
      <button onClick={() => void call()}>call the API</button>
      <p id="api">{answer}</p>
      {session ? (
        <a href={manager.client.logoutUrl().href}>log out</a>
      ) : (
        <a href={manager.client.loginUrl(location.href).href}>log in</a>
      )}
    </>
  );
}

function User() {
  return (
    <>
      <p id="hook">{useUser()?.email ?? 'nobody'}</p>
      <p id="followed">{useSession().status}</p>
    </>
  );
}

// Made by the app, as for a router's loaders, and not started: `useAuthtoolContext` does that.
const manager = init({ baseUrl: '/bff/', mode, autostart: false });

createRoot(document.querySelector('#app')!).render(
  <AuthtoolProvider manager={manager}>
    <Account />
    <User />
    <Authenticated fallback={<p id="gate">closed</p>}>{({ user }) => <p id="gate">open to {user.email}</p>}</Authenticated>
    <Unauthenticated>
      <p id="stranger">a stranger</p>
    </Unauthenticated>
  </AuthtoolProvider>,
);
