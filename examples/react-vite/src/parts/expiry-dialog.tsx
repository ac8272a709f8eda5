import { useSession, useUserManager } from '@authtool/client/react';
import { useEffect, useRef, useState } from 'react';

import { spoken } from '../duration.ts';
import { LoginLink } from './login-link.tsx';

/** How long before the end of a session the client announces it, unless `expiringMs` says otherwise. */
const SOON_MS = 60_000;

/** Asks, shortly before the session ends, whether somebody is there. Looking at the session is use of it, and extends it. */
export function ExpiryDialog({ onLogOut }: { onLogOut: () => void }) {
  const manager = useUserManager();
  const { session } = useSession();
  const [announced, setAnnounced] = useState(false);
  const [tried, setTried] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const left = useTimeLeft(announced ? session?.expiresAt : undefined);
  const open = left !== undefined && left > 0 && left <= SOON_MS;

  useEffect(
    () =>
      manager.on('expiring', () => {
        setAnnounced(true);
        setTried(false);
      }),
    [manager],
  );
  useEffect(() => {
    // Not by the attribute: only so does it keep the rest of the page from being used.
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);

  const stay = async () => {
    await manager.check();
    setTried(true);
  };

  return (
    <dialog ref={dialog} className="expiry" aria-labelledby="expiry-title">
      <h2 id="expiry-title">Are you still there?</h2>
      <p>
        Your session ends in <time role="timer">{spoken(left ?? 0)}</time>
        {tried ? ', and cannot be extended. Log in again to go on.' : '.'}
      </p>
      <div className="choices">
        {tried ? (
          <LoginLink className="button primary">Log in again</LoginLink>
        ) : (
          <button type="button" className="button primary" onClick={() => void stay()}>
            Stay logged in
          </button>
        )}
        <button type="button" className="button plain" onClick={onLogOut}>
          Log out
        </button>
      </div>
    </dialog>
  );
}

/** Milliseconds until then, told each second. */
function useTimeLeft(until: number | undefined): number | undefined {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return until === undefined ? undefined : until - now;
}
