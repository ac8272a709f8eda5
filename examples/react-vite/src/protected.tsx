import { RequireAuth, useSession } from '@authtool/client/react';
import { useState } from 'react';
import { Outlet } from 'react-router';

import { LoginLink } from './parts/login-link.tsx';
import { Waiting } from './parts/waiting.tsx';

/**
 * Around the pages that need a user. A stranger goes to the login at once; whoever was here and whose session ended is
 * told so instead of being swept away, perhaps from the middle of a sentence.
 */
export function Protected() {
  const { session } = useSession();
  const [wasHere, setWasHere] = useState(false);
  if (session !== null && !wasHere) setWasHere(true);

  if (wasHere) return session === null ? <Ended /> : <Outlet />;
  return (
    <RequireAuth fallback={({ error }) => (error?.code === 'login_loop' ? <NoEntry /> : <Waiting />)}>
      <Outlet />
    </RequireAuth>
  );
}

function Ended() {
  return (
    <section className="hero" role="status">
      <title>Session ended · authtool demo</title>
      <h1>Your session has ended.</h1>
      <p className="lead">Log in again, and you are back on this page.</p>
      <LoginLink className="button primary">Log in</LoginLink>
    </section>
  );
}

function NoEntry() {
  return (
    <section className="hero" role="alert">
      <title>No login · authtool demo</title>
      <h1>The login does not hold.</h1>
      <p className="lead">Several logins in a row came back without a session. Does this browser keep cookies for this site?</p>
      <LoginLink className="button primary">Log in</LoginLink>
    </section>
  );
}
