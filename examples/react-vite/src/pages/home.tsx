import { useSession } from '@authtool/client/react';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';

import { spoken } from '../duration.ts';
import { LoginLink } from '../parts/login-link.tsx';
import { Route } from '../parts/route.tsx';
import { Waiting } from '../parts/waiting.tsx';
import { displayName } from '../user.ts';

/** For everybody. */
export function Home() {
  const { status, session } = useSession();
  if (session !== null) {
    return (
      <section className="hero">
        <title>{`${displayName(session.user)} · authtool demo`}</title>
        <h1>Hello, {displayName(session.user)}.</h1>
        <p className="lead">
          Your session lasts another <TimeLeft until={session.expiresAt} />.
        </p>
        <Link className="button primary" to="/orders">
          See your orders
        </Link>
        <Route reach="session" />
      </section>
    );
  }
  if (status === 'unauthenticated') {
    return (
      <section className="hero">
        <title>authtool demo</title>
        <h1>Nobody is logged in.</h1>
        <p className="lead">
          This page is for everybody. <Link to="/account">Account</Link> and <Link to="/orders">Orders</Link> are not: open one,
          and the login leads back to it.
        </p>
        <LoginLink className="button primary">Log in</LoginLink>
        <Route reach="nothing" />
      </section>
    );
  }
  if (status === 'initialising') return <Waiting />;
  return (
    <section className="hero">
      <title>authtool demo</title>
      <h1>One moment, please.</h1>
      <p className="lead">As soon as the login server answers, this page shows who you are.</p>
    </section>
  );
}

/** A part of a sentence that keeps itself true. */
function TimeLeft({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  return <time dateTime={new Date(until).toISOString()}>{spoken(until - now)}</time>;
}
