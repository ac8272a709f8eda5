import { useUser } from '@authtool/client/react';

import { Claims } from '../parts/claims.tsx';

/** Behind the login. */
export function Account() {
  const user = useUser() ?? {};
  return (
    <>
      <title>Account · authtool demo</title>
      <div className="heading">
        <h1>Account</h1>
        <p className="lead">What this app knows about you. It is text to show, and no proof of anything to anybody.</p>
      </div>
      <section className="panel lone" aria-labelledby="claims-title">
        <h2 id="claims-title">Your claims</h2>
        <p>
          The ones that the server was configured to show, from <code>/bff/session</code>.
        </p>
        <Claims of={user} label="Your claims" />
      </section>
    </>
  );
}
