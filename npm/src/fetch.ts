import { HEADERS } from './core/platform.js';
import type { UserManager } from './manager.js';
import { isSecure, type CheckedOptions } from './options.js';

const CSRF = 'x-authtool-csrf';

/**
 * {@link UserManager.fetch}.
 *
 * @internal
 */
export const createFetch =
  (
    { mode, allowedOrigins = [location.origin] }: CheckedOptions,
    { getAccessToken, check }: Pick<UserManager, 'getAccessToken' | 'check'>,
    touch: () => void,
  ): UserManager['fetch'] =>
  async (input, init) => {
    // Its address is the one that is asked, whatever the input looked like (SEC-176).
    let request = new Request(input, init);
    const url = new URL(request.url);
    const isOwn = url.origin == location.origin;
    const takesToken =
      mode == 'tokenExchange' && allowedOrigins.includes(url.origin) && isSecure(url) && !request.headers.has('authorization');
    if (!isOwn && !takesToken) return fetch(request);

    // A body in `init` is read anew, unless it is a stream; the one of a `Request` can be read once.
    const spare = init?.body instanceof ReadableStream ? null : input instanceof Request ? request.clone() : () => new Request(input, init);
    let token: string | undefined;
    const send = async (): Promise<Response> => {
      if (isOwn) request.headers.set(CSRF, HEADERS[CSRF]!);
      if (!takesToken) return fetch(request);
      token = await getAccessToken();
      request.headers.set('authorization', `Bearer ${token}`);
      const { redirect, referrer, referrerPolicy } = request;
      // A redirect would take the token along. Options given here reset the referrer.
      return fetch(request, { redirect: redirect == 'manual' ? redirect : 'error', referrer, referrerPolicy });
    };

    const response = await send();
    if (!takesToken) touch();
    if (response.status != 401) return response;
    const mayRetry = takesToken
      ? await getAccessToken({ rejected: token }).then(() => true, () => false)
      : (await check()).status == 'authenticated';
    if (!mayRetry || !spare) return response;
    void response.body?.cancel();
    request = typeof spare == 'function' ? spare() : spare;
    return send();
  };
