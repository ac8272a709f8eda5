// How this app gets at its API. In `bff` mode by a path of its own origin, where the server attaches the token. In
// `tokenExchange` mode at the API's own origin, with a token from this page's memory. The call is the same.
import { isUnauthorized, type UserManager } from '@authtool/client';

/** The server's `session.mode`. */
export const MODE = import.meta.env['VITE_AUTHTOOL_MODE'] === 'tokenExchange' ? 'tokenExchange' : 'bff';

/** Where the API is: the demo's listens three ports above the app. */
export const API = MODE === 'bff' ? location.origin : `http://127.0.0.1:${Number(location.port) + 3}`;

/** What the demo API answers: the request as it arrived there. */
export interface Received {
  method: string;
  path: string;
  claims: Record<string, unknown>;
  headers: Record<string, string>;
  cookieReceived: boolean;
  body?: string;
}

/** How a call ended. */
export type Outcome =
  | { kind: 'answered'; status: number; received: Received }
  | { kind: 'refused'; status: number }
  | { kind: 'unreachable' };

/** Calls the API and tells how it went; it never throws. */
export async function callApi(manager: UserManager, init: RequestInit): Promise<Outcome> {
  try {
    const response = await manager.fetch(`${API}/api/orders`, init);
    if (!response.ok) return { kind: 'refused', status: response.status };
    return { kind: 'answered', status: response.status, received: (await response.json()) as Received };
  } catch (error) {
    return isUnauthorized(error) ? { kind: 'refused', status: 401 } : { kind: 'unreachable' };
  }
}
