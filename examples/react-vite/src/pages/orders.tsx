import { useUserManager } from '@authtool/client/react';
import { useState, type FormEvent } from 'react';

import { API, MODE, callApi, type Outcome, type Received } from '../api.ts';
import { Claims } from '../parts/claims.tsx';
import { Route } from '../parts/route.tsx';

/** Behind the login, and full of calls. */
export function Orders() {
  const manager = useUserManager();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();

  const call = async (init: RequestInit) => {
    if (busy) return;
    setBusy(true);
    setOutcome(await callApi(manager, init));
    setBusy(false);
  };
  const order = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const what = new FormData(event.currentTarget).get('what');
    void call({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ what }) });
  };

  return (
    <>
      <title>Orders · authtool demo</title>
      <div className="heading">
        <h1>Orders</h1>
        <p className="lead">
          {MODE === 'bff'
            ? 'This page calls its own origin with a cookie. What arrives at the API is something else.'
            : 'This page calls the API’s own origin with a token from its memory. The cookie stays at home.'}
        </p>
        <Route reach={outcome?.kind === 'answered' ? 'token' : 'session'} />
      </div>
      <div className="panels">
        <section className="panel" aria-labelledby="result-title">
          <h2 id="result-title">What the API receives</h2>
          <p>
            At <code>{new URL('/api/orders', API).href}</code>.
          </p>
          <button type="button" className="button primary" aria-disabled={busy || undefined} onClick={() => void call({})}>
            Call the API
          </button>
          <div className="result" aria-live="polite" aria-busy={busy}>
            {outcome !== undefined && <Result {...outcome} />}
          </div>
        </section>
        <section className="panel" aria-labelledby="order-title">
          <h2 id="order-title">Order something</h2>
          <p>A POST with a body, by the same function.</p>
          <form onSubmit={order}>
            <label htmlFor="what">What</label>
            <input id="what" name="what" defaultValue="A tall glass of water" required maxLength={80} autoComplete="off" />
            <button type="submit" className="button plain" aria-disabled={busy || undefined}>
              Send the order
            </button>
          </form>
        </section>
      </div>
    </>
  );
}

function Result(outcome: Outcome) {
  switch (outcome.kind) {
    case 'answered':
      return <Answered {...outcome} />;
    case 'refused':
      return (
        <p className="problem">
          {outcome.status === 401 ? 'The API does not know you.' : `The API answered with status ${outcome.status}.`}
        </p>
      );
    case 'unreachable':
      return <p className="problem">The API cannot be reached. Please try again in a moment.</p>;
  }
}

function Answered({ status, received }: { status: number; received: Received }) {
  return (
    <>
      <dl className="facts">
        <div>
          <dt>Status</dt>
          <dd>{status}</dd>
        </div>
        <div className="token">
          <dt>Access token</dt>
          <dd>{received.headers['authorization'] ?? 'none'}</dd>
        </div>
        <div className={received.cookieReceived ? 'leak' : 'cookie'}>
          <dt>Cookie received</dt>
          <dd>{received.cookieReceived ? 'yes, which should not happen' : 'no'}</dd>
        </div>
        {received.body !== undefined && (
          <div>
            <dt>Body</dt>
            <dd>{received.body}</dd>
          </div>
        )}
      </dl>
      <h3>Claims in the token</h3>
      <Claims of={received.claims} label="Claims in the access token" />
      <details>
        <summary>The whole request</summary>
        <pre tabIndex={0}>{JSON.stringify(received, null, 2)}</pre>
      </details>
    </>
  );
}
