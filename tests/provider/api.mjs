// A protected API: answers what it received to whoever brings a valid access token of the provider.
// Prints `ready <url>` when it listens.
import { createServer } from 'node:http';

import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

import { exitOnSignals, exitWithParent, listen } from './lifecycle.mjs';
import { readOptions, wholeNumber } from './options.mjs';

const MAX_BODY_BYTES = 64 * 1024;

const options = readOptions('AUTHTOOL_API', {
  // 0 takes a free port; the `ready` line tells which.
  port: { type: 'string' },
  issuer: { type: 'string' },
  audience: { type: 'string' },
  // An origin whose pages may call this API by themselves (CORS), with a token and without cookies.
  'allow-origin': { type: 'string' },
  'exit-with-parent': { type: 'boolean' },
});
const issuer = options.issuer ?? 'http://127.0.0.1:3002';
const audience = options.audience ?? 'https://api.authtool.example';

exitOnSignals();
if (options['exit-with-parent']) exitWithParent();

// The path of oidc-provider's key set; a fixed one spares a discovery request to a provider of ours.
const keys = createRemoteJWKSet(new URL(`${issuer.replace(/\/$/, '')}/jwks`), { cooldownDuration: 1_000 });

function send(response, status, body, headers = {}) {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(`${JSON.stringify(body, null, 2)}\n`);
}

/** RFC 6750 §3. */
function unauthorized(response, error, description) {
  const challenge =
    error === undefined ? 'Bearer realm="demo API"' : `Bearer realm="demo API", error="${error}", error_description="${description}"`;
  send(response, 401, { error: error ?? 'no_token', error_description: description }, { 'www-authenticate': challenge });
}

/** Enough of a credential to recognise it, not enough to use it. */
function redacted(value) {
  const [scheme, token] = value.split(' ', 2);
  if (token === undefined || token.length < 24) return `${scheme} …`;
  return `${scheme} ${token.slice(0, 6)}…${token.slice(-4)} (${token.length} characters)`;
}

function visibleHeaders(headers) {
  const secret = new Set(['authorization', 'cookie', 'proxy-authorization']);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, secret.has(name) ? redacted(String(value)) : value]),
  );
}

async function readBody(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function answer(request, response) {
  const { pathname, search } = new URL(request.url, 'http://api.invalid');
  if (pathname !== '/api' && !pathname.startsWith('/api/')) {
    return send(response, 404, { error: 'not_found' });
  }

  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) return unauthorized(response, undefined, 'a Bearer access token is required');

  let claims;
  try {
    // RFC 9068 §4: an access token, not an ID token that happens to have the right issuer.
    ({ payload: claims } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', algorithms: ['RS256'] }));
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) {
      console.error('cannot fetch the provider\'s keys:', error);
      return send(response, 503, { error: 'keys_unavailable' }, { 'retry-after': '1' });
    }
    return unauthorized(response, 'invalid_token', error.code);
  }

  const body = await readBody(request);
  if (body === undefined) return send(response, 413, { error: 'content_too_large' }, { connection: 'close' });
  return send(response, 200, {
    method: request.method,
    path: pathname + search,
    claims,
    headers: visibleHeaders(request.headers),
    cookieReceived: request.headers.cookie !== undefined,
    body: body === '' ? undefined : body,
  });
}

/** Whether the request was a page's question what it may do, which is answered with that. */
function answeredPreflight(request, response) {
  const origin = options['allow-origin'];
  if (origin === undefined) return false;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('vary', 'Origin');
  if (request.method !== 'OPTIONS') return false;
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-max-age': '600',
  });
  response.end();
  return true;
}

const server = createServer((request, response) => {
  if (answeredPreflight(request, response)) return;
  answer(request, response).catch((error) => {
    console.error(`${request.method} ${request.url} failed:`, error);
    if (response.headersSent) response.destroy();
    else send(response, 500, { error: 'internal' });
  });
});

const port = await listen(server, wholeNumber('port', options.port ?? '3003'));
console.log(`ready http://127.0.0.1:${port}`);
