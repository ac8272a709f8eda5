'use client';

import { Authenticated, useSession } from '@authtool/client/react';

export function Status() {
  const { status, session } = useSession();
  return (
    <>
      <p id="status">{`${status} ${session?.user.name}`}</p>
      <Authenticated>{({ user }) => <p id="email">{user.email}</p>}</Authenticated>
    </>
  );
}
