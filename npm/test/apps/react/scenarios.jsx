// Apps, each small enough to show one thing. The page picks one by name.
import { init } from '@authtool/client';
import {
  Authenticated,
  AuthtoolProvider,
  RequireAuth,
  Unauthenticated,
  useAuthtoolContext,
  useSession,
  useUser,
  useUserManager,
} from '@authtool/client/react';
import * as React from 'react';
import { Component, StrictMode, Suspense, lazy, startTransition, useState } from 'react';

/** What the tests look at. */
const record = (name, value) => {
  if (typeof window == 'object') (window.records[name] ??= []).push(value);
};

function Status() {
  const { status, session } = useSession();
  record('statuses', status);
  return (
    <p id="status">
      {status} {session?.user.name}
    </p>
  );
}

function Buttons() {
  const manager = useUserManager();
  record('renders of Buttons', 1);
  return (
    <>
      <button id="login" onClick={() => manager.login()}>Log in</button>
      <button id="logout" onClick={() => manager.logout()}>Log out</button>
    </>
  );
}

function Hello() {
  return (
    <StrictMode>
      <AuthtoolProvider baseUrl="/bff">
        <Status />
        <Buttons />
        <Authenticated fallback={({ status }) => <p id="gate">not yet: {status}</p>}>
          {({ user }) => <p id="gate">{user.email}</p>}
        </Authenticated>
        <Unauthenticated>
          <p id="stranger">Nobody</p>
        </Unauthenticated>
      </AuthtoolProvider>
    </StrictMode>
  );
}

function Context() {
  const { manager, ...state } = useAuthtoolContext();
  record('contexts', { same: manager.state.session === state.session, keys: Object.keys(state).sort().join() });
  return <p id="status">{state.status}</p>;
}

function NotStarted() {
  const [used, use] = useState(false);
  return (
    <StrictMode>
      <AuthtoolProvider baseUrl="/bff" autostart={false}>
        {used ? <Context /> : <Status />}
        <button id="use" onClick={() => use(true)}>use</button>
      </AuthtoolProvider>
    </StrictMode>
  );
}

function Guarded() {
  const fallback = ({ status, error }) => <p id="fallback">{error ? error.code : status}</p>;
  return (
    <StrictMode>
      <AuthtoolProvider baseUrl="/bff">
        <RequireAuth fallback={fallback}>
          <p id="secret">inside</p>
        </RequireAuth>
        <RequireAuth>
          <p>also inside</p>
        </RequireAuth>
      </AuthtoolProvider>
    </StrictMode>
  );
}

function GuardedWithOptions() {
  return (
    <AuthtoolProvider baseUrl="/bff">
      <RequireAuth login={{ redirectUri: '/elsewhere' }} fallback="leaving">
        inside
      </RequireAuth>
    </AuthtoolProvider>
  );
}

function Toggled() {
  const [shown, show] = useState(true);
  return (
    <StrictMode>
      <button id="toggle" onClick={() => show(!shown)}>toggle</button>
      {shown && (
        <AuthtoolProvider baseUrl="/bff">
          <Status />
        </AuthtoolProvider>
      )}
    </StrictMode>
  );
}

function Hidden() {
  const [mode, setMode] = useState('visible');
  return (
    <StrictMode>
      <button id="toggle" onClick={() => setMode(mode == 'visible' ? 'hidden' : 'visible')}>toggle</button>
      <React.Activity mode={mode}>
        <AuthtoolProvider baseUrl="/bff">
          <Status />
        </AuthtoolProvider>
      </React.Activity>
    </StrictMode>
  );
}

// Made on a server as well, where it is inert.
const own = init({ baseUrl: '/bff', autostart: false });
if (typeof window == 'object') window.own = own;

function Given() {
  const [shown, show] = useState(true);
  return (
    <StrictMode>
      <button id="toggle" onClick={() => show(!shown)}>toggle</button>
      {shown && (
        <AuthtoolProvider manager={own}>
          <Status />
          <Who />
        </AuthtoolProvider>
      )}
    </StrictMode>
  );
}

function Who() {
  return <p id="who">{useUser()?.name ?? 'nobody'}</p>;
}

const Slow = lazy(async () => {
  await new Promise((resolve) => {
    globalThis.finishLoading = resolve;
  });
  return { default: Status };
});

function Suspended() {
  return (
    <StrictMode>
      <Suspense fallback={<p id="loading">loading</p>}>
        <AuthtoolProvider baseUrl="/bff">
          <Slow />
          <Who />
        </AuthtoolProvider>
      </Suspense>
    </StrictMode>
  );
}

function SlowItem() {
  const { status } = useSession();
  const until = performance.now() + 5;
  while (performance.now() < until);
  return <li>{status}</li>;
}

/** A long list, rendered in a transition, during which the state changes. */
function Concurrent() {
  const [count, setCount] = useState(0);
  return (
    <AuthtoolProvider manager={own}>
      <button id="fill" onClick={() => startTransition(() => setCount(40))}>fill</button>
      <ul>
        {Array.from({ length: count }, (_, index) => (
          <SlowItem key={index} />
        ))}
      </ul>
      <Mixture />
    </AuthtoolProvider>
  );
}

/** Looks after each commit at what the list shows. */
function Mixture() {
  useSession();
  React.useEffect(() => {
    const watch = new MutationObserver(() => {
      const shown = new Set(Array.from(document.querySelectorAll('li'), ({ textContent }) => textContent));
      record('mixtures', [...shown].join());
    });
    watch.observe(document.querySelector('ul'), { childList: true, subtree: true, characterData: true });
    return () => watch.disconnect();
  }, []);
  return null;
}

class Boundary extends Component {
  state = { message: '' };

  static getDerivedStateFromError({ message }) {
    return { message };
  }

  render() {
    return this.state.message ? <p id="message">{this.state.message}</p> : this.props.children;
  }
}

function Orphan() {
  return (
    <Boundary>
      <Status />
    </Boundary>
  );
}

export const scenarios = {
  Hello,
  NotStarted,
  Guarded,
  GuardedWithOptions,
  Toggled,
  Hidden,
  Given,
  Suspended,
  Concurrent,
  Orphan,
};
