// The picture of the demo: who holds what between this browser and the API.
import { element } from '../element.ts';

/** How far along the way things have been seen to work. */
export type Reach = 'nothing' | 'session' | 'token';

interface Station {
  name: string;
  holds: string;
}

/** Three stations and the two ways between them. */
export function route(reach: Reach): HTMLElement {
  const session = reach !== 'nothing';
  const token = reach === 'token';
  return element(
    'ol',
    { class: 'route', 'aria-label': 'Who holds what' },
    station({ name: 'This browser', holds: session ? 'one cookie that no script can read' : 'nothing yet' }, session),
    way('cookie', session, reach === 'session'),
    station({ name: 'authtool', holds: session ? 'your tokens, encrypted' : 'no session of yours' }, session),
    way('token', token, token),
    station({ name: 'Demo API', holds: token ? 'saw the token, never the cookie' : 'waits for a token' }, token),
  );
}

function station({ name, holds }: Station, lit: boolean): HTMLElement {
  return element(
    'li',
    { class: lit ? 'station lit' : 'station' },
    element('span', { class: 'dot', 'aria-hidden': 'true' }),
    element('b', {}, name),
    element('span', { class: 'holds' }, holds),
  );
}

/** `fresh`: it has just been travelled, and shows that by moving. */
function way(carries: 'cookie' | 'token', lit: boolean, fresh: boolean): HTMLElement {
  return element(
    'li',
    { class: `way ${carries}${lit ? ' lit' : ''}${fresh ? ' fresh' : ''}` },
    element('span', { class: 'line', 'aria-hidden': 'true' }),
    element('span', { class: 'carries' }, carries),
  );
}
