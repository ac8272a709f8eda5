// What a failed login brings along: the server sends the browser here with an error code in the URL.

/** A failure to tell the user about. */
export interface Arrival {
  code: string;
  message: string;
  correlationId: string | null;
}

const MESSAGES: Record<string, string> = {
  access_denied: 'You cancelled the login, so nothing happened.',
  interaction_required: 'The provider needs you to do something first. Log in again, and follow what it asks for.',
  login_expired: 'The login took too long. Please start again.',
  login_not_started_here: 'That login was not started in this browser. Log in from here.',
  provider_refused: 'The provider refused the login. Please try again.',
  provider_unavailable: 'The provider cannot be reached right now. Please try again in a moment.',
  store_unavailable: 'The login server is having trouble. Please try again in a moment.',
};

const FALLBACK = 'The login did not work. Please try again.';

/** Reads the error from the page's URL and removes it there: a reload should not tell it again. */
export function takeArrival(): Arrival | null {
  const url = new URL(location.href);
  const code = url.searchParams.get('error');
  if (code === null) return null;
  const correlationId = url.searchParams.get('correlation_id');
  for (const name of ['error', 'error_description', 'correlation_id']) url.searchParams.delete(name);
  history.replaceState(history.state, '', url);
  const message = Object.hasOwn(MESSAGES, code) ? (MESSAGES[code] ?? FALLBACK) : FALLBACK;
  return { code, message, correlationId };
}
