import { Authenticated, useSession, useUserManager } from '@authtool/client/react';
import { useEffect, useRef, useState } from 'react';
import { Link, NavLink, Outlet, useLocation } from 'react-router';

import { MODE } from './api.ts';
import { ExpiryDialog } from './parts/expiry-dialog.tsx';
import { Notices } from './parts/notices.tsx';
import { Waiting } from './parts/waiting.tsx';
import { displayName } from './user.ts';

/** What every page has around it. */
export function Layout() {
  const { status } = useSession();
  const [leaving, logOut] = useLogout();
  const main = useFocusOnNavigation();

  useEffect(() => {
    document.documentElement.dataset['status'] = status;
  }, [status]);

  return (
    <>
      <header className="masthead">
        <Link className="wordmark" to="/">
          <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
            <circle cx="7" cy="13" r="4.5" fill="none" stroke="currentColor" strokeWidth="2.5" />
            <path d="M11.5 13H23M19 13v4.5" fill="none" stroke="currentColor" strokeWidth="2.5" strokeLinecap="round" />
          </svg>
          authtool <span>demo</span>
        </Link>
        <nav aria-label="Pages">
          <NavLink to="/">Start</NavLink>
          <NavLink to="/account">Account</NavLink>
          <NavLink to="/orders">Orders</NavLink>
        </nav>
        <div className="account">
          {!leaving && (
            <Authenticated>
              {({ user }) => (
                <>
                  <span className="avatar" aria-hidden="true">
                    {displayName(user).charAt(0).toUpperCase()}
                  </span>
                  <span className="who">{displayName(user)}</span>
                  <button type="button" className="button plain" onClick={logOut}>
                    Log out
                  </button>
                </>
              )}
            </Authenticated>
          )}
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        <Notices />
        {leaving ? <Waiting /> : <Outlet />}
      </main>
      <footer className="colophon">
        {MODE === 'bff' ? (
          <>
            <code>bff</code> mode: the server attaches the access token; no script of this page ever has it.
          </>
        ) : (
          <>
            <code>tokenExchange</code> mode: this page holds a short-lived access token, in memory and nowhere else.
          </>
        )}
      </footer>
      <ExpiryDialog onLogOut={logOut} />
    </>
  );
}

/**
 * Leaves no picture of the user behind: the back button may bring this very page back, from the browser's memory and
 * before anybody could ask the server.
 */
function useLogout(): [leaving: boolean, logOut: () => void] {
  const manager = useUserManager();
  const [leaving, setLeaving] = useState(false);
  useEffect(() => {
    const back = (event: PageTransitionEvent) => {
      if (event.persisted) void manager.check().then(() => setLeaving(false));
    };
    addEventListener('pageshow', back);
    return () => removeEventListener('pageshow', back);
  }, [manager]);
  const logOut = () => {
    setLeaving(true);
    manager.logout();
  };
  return [leaving, logOut];
}

/** A new page without a new document: whoever listens rather than looks is taken to its beginning. */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    main.current?.focus();
    scrollTo(0, 0);
  }, [pathname]);
  return main;
}
