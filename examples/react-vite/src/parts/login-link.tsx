import { useUserManager } from '@authtool/client/react';
import type { MouseEvent, ReactNode } from 'react';
import { useLocation } from 'react-router';

/** A link rather than a button: a login is a navigation, and opens in another tab like any other. */
export function LoginLink({ className, children }: { className: string; children: ReactNode }) {
  const { client } = useUserManager();
  // Rendered again at each navigation: the way back leads to where the user is.
  useLocation();
  const refresh = ({ currentTarget }: MouseEvent<HTMLAnchorElement>) => {
    currentTarget.href = client.loginUrl().href;
  };
  return (
    <a className={className} href={client.loginUrl().href} onClick={refresh}>
      {children}
    </a>
  );
}
