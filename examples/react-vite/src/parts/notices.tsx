import { useSession, useUserManager } from '@authtool/client/react';
import { useState } from 'react';

import { takeArrival } from '../arrival.ts';

// Before anything renders: a reload should not tell it again.
const arrival = takeArrival();

/** What is to be said above every page. */
export function Notices() {
  const manager = useUserManager();
  const { status, session, error } = useSession();
  const [dismissed, setDismissed] = useState(false);
  return (
    <>
      {arrival !== null && !dismissed && session === null && (
        <section className="notice warning" role="alert">
          <div>
            <strong>That login did not go through</strong>
            <p>{arrival.message}</p>
            <p className="small">
              Code <code>{arrival.code}</code>
              {arrival.correlationId !== null && (
                <>
                  {' · reference '}
                  <code>{arrival.correlationId}</code>
                </>
              )}
            </p>
          </div>
          <button type="button" className="button plain" onClick={() => setDismissed(true)}>
            Dismiss
          </button>
        </section>
      )}
      {status === 'unavailable' && error.code !== 'login_loop' && (
        <section className="notice" role="status">
          <div>
            <strong>The login server does not answer</strong>
            <p>
              {session === null ? 'You may well be logged in.' : 'You are still shown as you were.'} This page keeps trying by
              itself.
            </p>
          </div>
          <button type="button" className="button plain" onClick={() => void manager.check()}>
            Try now
          </button>
        </section>
      )}
    </>
  );
}
