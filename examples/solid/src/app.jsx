import { Authenticated, Unauthenticated, useAuthtool } from '@authtool/client/solid';
import { For, Show } from 'solid-js';

export function App() {
  const { manager, status } = useAuthtool();
  return (
    <>
      <Authenticated>
        {(session) => (
          <>
            <h1>Hello, {session().user.name}.</h1>
            <dl>
              <For each={Object.entries(session().user)}>
                {([claim, value]) => (
                  <>
                    <dt>{claim}</dt>
                    <dd>{String(value)}</dd>
                  </>
                )}
              </For>
            </dl>
            <button type="button" onClick={() => manager.logout()}>
              Log out
            </button>
          </>
        )}
      </Authenticated>
      <Unauthenticated>
        <h1>Nobody is logged in.</h1>
        <p>The login leads back to this page.</p>
        <button type="button" onClick={() => manager.login()}>
          Log in
        </button>
      </Unauthenticated>
      <Show when={status() === 'unavailable'}>
        <p role="status">The login server does not answer. This page keeps trying.</p>
      </Show>
    </>
  );
}
