import type { LoginParameters } from './manager.js';

const PARAMETERS: readonly (readonly [keyof LoginParameters, string])[] = [
  ['prompt', 'prompt'],
  ['loginHint', 'login_hint'],
  ['acrValues', 'acr_values'],
  ['maxAge', 'max_age'],
  ['uiLocales', 'ui_locales'],
  ['client', 'client'],
];

/**
 * The origin of a URL; nothing for what is none.
 *
 * @internal
 */
export const originOf = (url: string | URL): string | undefined => {
  try {
    return new URL(url).origin;
  } catch {
    return undefined;
  }
};

/**
 * A `baseUrl` in the one form that is used: a path with a leading slash and without a trailing one (`/` alone stays).
 * The rules are those of `rules/base_url.rs`; one table tests both.
 *
 * @param raw - As the app gave it.
 * @param origin - The page's; none on a server.
 * @internal
 */
export const normalise = (raw: string, origin: string | undefined): string => {
  const demand = (holds: boolean, fix: string): void => {
    if (!holds) throw new TypeError(`authtool: option baseUrl must be ${fix}`);
  };
  const [absolute = ''] = /^[^/?#]+:\/\/[^/?#]*/.exec(raw) ?? [];
  const path = raw.slice(absolute.length);
  const isOwn = !path.startsWith('//') && (!absolute || !origin || originOf(absolute) == origin);
  demand(isOwn, "on the page's own origin; use a path such as '/bff'");
  const segments = path.replace(/^\/|\/$/g, '');
  // Segments that mean the same to every parser (RFC 3986, section 3.3), less ':', which people write only before a port.
  demand(!segments || segments.split('/').every((segment) => /^(?!\.\.?$)[\w!$-.;=@~]+$/.test(segment)), "a plain path such as '/bff'");
  return `/${segments}`;
};

/**
 * The path of one of the server's endpoints, as `rules/navigation.rs` makes it.
 *
 * @internal
 */
export const endpointOf = (baseUrl: string, name: string): string => `${baseUrl.replace(/\/$/, '')}/${name}`;

/**
 * The address of the login or the logout, which leads back to `redirectUri`: by default to the current page after a login, and
 * to where the server decides after a logout.
 *
 * @internal
 */
export const addressOf = (
  baseUrl: string,
  logout: boolean,
  redirectUri: string | URL | null | undefined,
  parameters: LoginParameters = {},
): URL => {
  // A server has no page, and no origin either: a placeholder, so that rendering a link does not fail.
  const { href, origin } = globalThis.location ?? { href: 'http://localhost', origin: '' };
  const address = new URL(endpointOf(baseUrl, logout ? 'logout' : 'login'), href);
  const query = address.searchParams;
  if (redirectUri != null) {
    try {
      query.set('redirect_uri', origin ? new URL(redirectUri, href).href : `${redirectUri}`);
    } catch {
      throw new TypeError("authtool: redirectUri must be a URL or a path, such as '/account'");
    }
  } else if (!logout && origin) {
    query.set('redirect_uri', href.slice(origin.length));
  }
  // Only what is known by name: the options of a login may be the event of a click.
  for (const [member, name] of PARAMETERS) {
    const value = parameters[member];
    if (value != null) query.set(name, [value].flat().join(' '));
  }
  return address;
};
