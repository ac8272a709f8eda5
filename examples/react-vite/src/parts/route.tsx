// The picture of the demo: who holds what between this browser and the API.
import { MODE } from '../api.ts';

/** How far along the way things have been seen to work. */
export type Reach = 'nothing' | 'session' | 'token';

interface StationProps {
  name: string;
  holds: string;
  lit: boolean;
}

interface WayProps {
  carries: 'cookie' | 'token';
  lit: boolean;
  /** It has just been travelled, and shows that by moving. */
  fresh: boolean;
}

/** Three stations and the two ways between them. */
export function Route({ reach }: { reach: Reach }) {
  const session = reach !== 'nothing';
  const token = reach === 'token';
  const tokenInBrowser = MODE === 'tokenExchange' && token;
  const browser = (
    <Station
      name="This browser"
      holds={tokenInBrowser ? 'the cookie, and a token in memory' : session ? 'one cookie that no script can read' : 'nothing yet'}
      lit={session}
    />
  );
  const authtool = <Station name="authtool" holds={session ? 'your tokens, encrypted' : 'no session of yours'} lit={session} />;
  return (
    <ol className="route" aria-label="Who holds what">
      {/* With a token of its own the browser is the one in the middle. */}
      {MODE === 'bff' ? browser : authtool}
      <Way carries="cookie" lit={session} fresh={reach === 'session'} />
      {MODE === 'bff' ? authtool : browser}
      <Way carries="token" lit={token} fresh={token} />
      <Station name="Demo API" holds={token ? 'saw the token, never the cookie' : 'waits for a token'} lit={token} />
    </ol>
  );
}

function Station({ name, holds, lit }: StationProps) {
  return (
    <li className={lit ? 'station lit' : 'station'}>
      <span className="dot" aria-hidden="true" />
      <b>{name}</b>
      <span className="holds">{holds}</span>
    </li>
  );
}

function Way({ carries, lit, fresh }: WayProps) {
  return (
    <li className={['way', carries, lit && 'lit', fresh && 'fresh'].filter(Boolean).join(' ')}>
      <span className="line" aria-hidden="true" />
      <span className="carries">{carries}</span>
    </li>
  );
}
