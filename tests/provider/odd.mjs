// Habits of honest providers, over the answers of npm `oidc-provider`: what it says stays true, how it says it is unusual.
// The same habits as `Oddity` in tests/src/hostile/oddity.rs, as far as they can be had from outside of a provider.
import { gzipSync } from 'node:zlib';

// Members that an answer may leave out, and that are `null` instead. By the end of the path.
const NULLS = {
  '/openid-configuration': ['registration_endpoint', 'signed_metadata', 'mtls_endpoint_aliases', 'require_signed_request_object'],
  '/jwks': [],
  '/token': ['refresh_token', 'id_token', 'error', 'error_description', 'error_uri', 'refresh_expires_in'],
  '/request': ['error', 'error_description'],
  '/me': ['iss', 'aud', 'exp', 'nonce', 'address', 'phone_number'],
};

const KEY_NULLS = ['key_ops', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'issuer', 'k', 'd'];

const withNulls = (object, members) => ({ ...Object.fromEntries(members.map((member) => [member, null])), ...object });

/** A modulus with a leading zero byte (RFC 7518 §6.3.1.1 forbids it). */
const withLeadingZero = (modulus) =>
  Buffer.concat([Buffer.alloc(1), Buffer.from(modulus, 'base64url')]).toString('base64url');

const oddKey = (key) => withNulls(key.n ? { ...key, n: withLeadingZero(key.n) } : key, KEY_NULLS);

/** A middleware for Koa: every JSON answer is odd. */
export async function odd(ctx, next) {
  await next();
  const { body, path } = ctx;
  if (body === null || typeof body !== 'object' || Buffer.isBuffer(body) || typeof body.pipe === 'function') return;
  const nulls = NULLS[Object.keys(NULLS).find((end) => path.endsWith(end))];
  const said = withNulls(body, nulls ?? []);
  if (Array.isArray(said.keys)) said.keys = said.keys.map(oddKey);
  if (typeof said.expires_in === 'number') said.expires_in = String(said.expires_in);
  if (path.endsWith('/token') && ctx.status === 200) ctx.status = 201;
  // Auth0's way.
  if (ctx.status === 400 && said.error === 'invalid_grant') ctx.status = 403;
  const text = Buffer.from(`\uFEFF${JSON.stringify(said)}`);
  const type = ctx.type;
  if (ctx.get('accept-encoding').toLowerCase() === 'identity') {
    ctx.body = text;
  } else {
    ctx.body = gzipSync(text);
    ctx.set('content-encoding', 'gzip');
  }
  ctx.type = type;
}
