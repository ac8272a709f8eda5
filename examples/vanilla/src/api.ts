// A call to the protected API: an ordinary same-origin fetch. The browser adds the session cookie,
// the server swaps it for the access token, and this code sees neither.

/** What the demo API answers: the request as it arrived there. */
export interface Received {
  method: string;
  path: string;
  claims: Record<string, unknown>;
  headers: Record<string, string>;
  cookieReceived: boolean;
}

/** How a call ended. */
export type Outcome =
  | { kind: 'answered'; status: number; received: Received }
  | { kind: 'refused'; status: number }
  | { kind: 'unreachable' };

/** Calls the API and tells how it went; it never throws. */
export async function callApi(): Promise<Outcome> {
  let response: Response;
  try {
    response = await fetch('/api/whoami', {
      credentials: 'same-origin',
      cache: 'no-store',
      // Another site cannot send this header without asking: it shows that the call is ours.
      headers: { accept: 'application/json', 'x-authtool-csrf': '1' },
    });
  } catch {
    return { kind: 'unreachable' };
  }
  if (!response.ok) return { kind: 'refused', status: response.status };
  try {
    return { kind: 'answered', status: response.status, received: (await response.json()) as Received };
  } catch {
    return { kind: 'refused', status: response.status };
  }
}
