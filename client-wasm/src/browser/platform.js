// The platform, in its own language, for `browser.rs`. It adapts and decides nothing.
//
// By hand, because what a fetch or a listener takes in JavaScript is a few words, and as WebAssembly each of these words is
// an import, its glue and the code that calls it.

/** On every request to the server: the second shows that the app's own script sends it (SEC-121). */
export const HEADERS = { accept: 'application/json', 'x-authtool-csrf': '1' };

/** The longest body that is read, in bytes. A session is a few claims, and a token at most 16 KiB. */
const LONGEST_BODY = 65_536;

/** A server that has not answered by now is down, as far as the user is concerned. */
const TIMEOUT_MS = 15_000;

/** How long a tab waits for the others to have asked. One of them may hang. */
const TURN_MS = 5_000;

// The signals, by the numbers that `browser.rs` knows.
const ANSWERED = 0;
const TOKEN_ANSWERED = 1;
const ELAPSED = 2;
const SHOWN = 3;
const RESTORED = 4;
const ONLINE = 5;
const LEAVING = 6;
const TOLD_LOGIN = 7;
const TOLD_LOGOUT = 8;

const WINDOW_EVENTS = ['pageshow', 'pagehide', 'visibilitychange', 'online'];

const after = (ms) => AbortSignal.timeout?.(ms);

/** SEC-177: only to our own origin, never from a cache, never redirected. Whatever a page has made of `fetch`, it throws nothing. */
const get = async (url) =>
  fetch(url, {
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: HEADERS,
    signal: after(TIMEOUT_MS),
  });

let early;
/**
 * Asks for what the core asks for as soon as it is compiled, which takes as long as a question is on its way. Where that is
 * not in the same turn, the answer is nobody's: other tabs are not heard meanwhile, and it may be from before a logout there.
 */
export const askAhead = (url) => {
  const asked = get(url);
  // Who takes it hears of it.
  asked.catch(() => {});
  early = [url, asked];
  queueMicrotask(() => (early = undefined));
};
const take = (url) => {
  const [asked, answer] = early ?? [];
  if (asked != url) return;
  early = undefined;
  return answer;
};

/** The text of a body that is short enough. */
const read = async ({ body }) => {
  const reader = body.getReader();
  const chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(chunks).text();
    size += value.length;
    if (size > LONGEST_BODY) return void reader.cancel();
    chunks.push(value);
  }
};

/** Seconds or a date (RFC 9110 §10.2.3); NaN for what is neither. */
const retryAfter = (value) => (isNaN(value) ? Date.parse(value) - Date.now() : value * 1_000);

/** Connects a window to `signal`. Tabs that share a `name` hear each other. */
export const connect = (name, signal) => {
  let timer, channel;
  let send = (kind, status = 0, expires = NaN, wait = NaN, ...texts) => signal(kind, status, expires, wait, ...texts);

  const hear = ({ type, persisted, data }) => {
    if (type == 'pageshow') persisted && send(RESTORED);
    else if (type == 'pagehide') send(LEAVING);
    else if (type == 'online') send(ONLINE);
    else if (type == 'visibilitychange') document.hidden || send(SHOWN);
    // Any script of the origin can post anything here.
    else if (data === 'login') send(TOLD_LOGIN);
    else if (data === 'logout') send(TOLD_LOGOUT);
  };

  return {
    watch() {
      for (const type of WINDOW_EVENTS) addEventListener(type, hear);
      try {
        channel = new BroadcastChannel(name);
        channel.onmessage = hear;
      } catch {
        // Where there is none, the tabs find out when they are looked at.
      }
    },
    close() {
      send = () => {};
      clearTimeout(timer);
      for (const type of WINDOW_EVENTS) removeEventListener(type, hear);
      channel?.close();
    },
    tell(news) {
      channel?.postMessage(news);
    },
    set(ms) {
      clearTimeout(timer);
      timer = setTimeout(() => send(ELAPSED), ms);
    },
    clear() {
      clearTimeout(timer);
    },
    async request(url, wantsToken) {
      let status = 0;
      let headers, body;
      const ask = async () => {
        try {
          const response = await (take(url) ?? get(url));
          // Whatever follows the media type are parameters (RFC 9110 §8.3.1).
          if (response.status == 200 && /^application\/json *(;|$)/i.test(response.headers.get('content-type'))) body = await read(response);
          ({ status, headers } = response);
        } catch {
          // No answer, or one that broke off: the status stays 0.
        }
      };
      // Rejected is only the lock, when it takes too long or is not to be had.
      await (wantsToken && navigator.locks ? navigator.locks.request(name, { signal: after(TURN_MS) }, ask).catch(ask) : ask());
      let expires, text;
      try {
        const { session, ...others } = JSON.parse(body);
        expires = (wantsToken ? others : session).expires_in;
        const { token_type: type, access_token: token } = others;
        text = !wantsToken ? JSON.stringify(others) : typeof token == 'string' ? `${type} ${token}` : undefined;
      } catch {
        // Not JSON, or nothing that was asked for. A body that was not read is neither.
      }
      const header = (wanted) => headers?.get(wanted) ?? undefined;
      const wait = header('retry-after');
      send(
        wantsToken ? TOKEN_ANSWERED : ANSWERED,
        status,
        typeof expires == 'number' ? expires : undefined,
        wait && retryAfter(wait),
        text,
        header('x-correlation-id'),
      );
    },
  };
};

let ahead = 0;
/** The wall clock, which goes on during sleep, kept from going back by the one that is never set. */
export const now = () => {
  ahead = Math.max(ahead, Date.now() - performance.now());
  return ahead + performance.now();
};
export const random = () => Math.random();

export const origin = () => location.origin;
/** From the path on. An opaque origin (`file:`, `about:`) has no path of ours to come back to. */
export const here = () => (location.href.startsWith(location.origin) ? location.href.slice(location.origin.length) : '/');
export const resolve = (address) => {
  try {
    return new URL(address, location.href).href;
  } catch {}
};
export const hidden = () => document.hidden;
export const acting = () => navigator.userActivation?.isActive ?? false;
export const go = (url) => location.assign(url);
export const post = (url) => {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = url;
  // A form outside the document is not submitted.
  document.documentElement.append(form);
  form.submit();
};

/** A number that this tab keeps: 0 when there is none, NaN when nothing can be kept, as for a user who blocks site data. */
export const recall = (name) => {
  try {
    return +sessionStorage.getItem(name);
  } catch {
    return NaN;
  }
};
export const keep = (name, value) => {
  try {
    sessionStorage.setItem(name, value);
  } catch {}
};
