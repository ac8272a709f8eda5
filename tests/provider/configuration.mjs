// The configuration of npm `oidc-provider`: everything here is a documented option of it.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

import { findAccount } from './accounts.mjs';
import { memoryStore } from './memory-store.mjs';
import { errorPage, signedOutPage, signOutPage } from './views.mjs';

/** The protected resource that access tokens are issued for (RFC 8707). */
export const API_AUDIENCE = 'https://api.authtool.example';

const API_SCOPES = 'api:read api:write';

const PRIVATE_KEY_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** The classes of authentication that a client may ask for. */
export const ACR_VALUES = ['urn:authtool:password', 'urn:authtool:second-factor'];

const DAY = 24 * 60 * 60;

async function signingKey() {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomBytes(8).toString('hex') };
}

/**
 * A first-party client needs nobody's consent: whatever it asks for is granted at login. The consent
 * page still appears when the client asks for it with `prompt=consent`.
 */
async function grantEverything(ctx) {
  const { client, session, result, requestParamOIDCScopes, requestParamClaims, provider } = ctx.oidc;
  const grantId = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const existing = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const grant = existing ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  if (existing !== undefined && existing.accountId !== session.accountId) return undefined;
  grant.addOIDCScope([...requestParamOIDCScopes].join(' '));
  grant.addOIDCClaims([...requestParamClaims]);
  grant.addResourceScope(API_AUDIENCE, API_SCOPES);
  await grant.save();
  return grant;
}

/** The client's registration; a member that `clientMetadata` sets to null is left out. */
function registration(options) {
  const members = {
    client_id: options.clientId,
    client_secret: options.clientSecret,
    client_name: 'authtool demo',
    redirect_uris: options.redirectUris,
    post_logout_redirect_uris: options.postLogoutRedirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    ...(options.backchannelLogoutUri && {
      backchannel_logout_uri: options.backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
    ...options.clientMetadata,
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

/** A program that gets tokens for the API by itself (RFC 6749 §4.4). */
function machine(options) {
  return {
    client_id: options.machineClientId,
    client_secret: options.machineClientSecret,
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'client_secret_basic',
  };
}

/**
 * @param {object} options
 * @param {string} options.clientId
 * @param {string} options.clientSecret
 * @param {string} options.machineClientId
 * @param {string | undefined} options.machineClientSecret without one, there is no such client
 * @param {string[]} options.redirectUris
 * @param {string[]} options.postLogoutRedirectUris
 * @param {string | undefined} options.backchannelLogoutUri
 * @param {number} options.accessTokenTtl seconds
 * @param {boolean} options.rotate a refresh token is good for one refresh
 * @param {object} options.clientMetadata members of the client's registration
 * @param {boolean} options.requirePar
 * @param {boolean} options.requireSignedRequestObject
 * @param {boolean} options.requireDpopNonce
 */
export async function providerConfiguration(options) {
  return {
    adapter: memoryStore(),
    clients: [
      registration(options),
      ...(options.machineClientSecret === undefined ? [] : [machine(options)]),
    ],
    jwks: { keys: [await signingKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    scopes: ['openid', 'offline_access'],
    // authtool reads the ID token, so the claims of `profile` and `email` belong there, not only at
    // the UserInfo endpoint.
    conformIdTokenClaims: false,
    findAccount,
    loadExistingGrant: grantEverything,
    pkce: { required: () => true },
    rotateRefreshToken: options.rotate,
    // Also without `offline_access`: the provider drops that scope unless the client prompts for
    // consent (OpenID Connect Core §11), and a BFF needs a refresh token all the same.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    clientBasedCORS: () => false,
    acrValues: ACR_VALUES,
    enabledJWA: {
      clientAuthSigningAlgValues: ['HS256', 'HS384', 'HS512', ...PRIVATE_KEY_ALGORITHMS],
      requestObjectSigningAlgValues: PRIVATE_KEY_ALGORITHMS,
    },
    features: {
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: options.requirePar },
      requestObjects: { enabled: true, requireSignedRequestObject: options.requireSignedRequestObject },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => options.requireDpopNonce },
      clientCredentials: { enabled: options.machineClientSecret !== undefined },
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: { enabled: true, logoutSource: signOutPage, postLogoutSuccessSource: signedOutPage },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => API_AUDIENCE,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: API_SCOPES,
          audience: API_AUDIENCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: options.accessTokenTtl,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    interactions: { url: async (_ctx, { uid }) => `/interaction/${uid}` },
    renderError: errorPage,
    ttl: {
      AccessToken: options.accessTokenTtl,
      AuthorizationCode: 60,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      RefreshToken: 14 * DAY,
      Session: 14 * DAY,
      Grant: 14 * DAY,
    },
    // Back-channel logout calls the relying party, which here listens on loopback: exactly what the
    // dispatcher that oidc-provider passes along exists to refuse.
    fetch: (url, { dispatcher: _refusesLoopback, ...init }) => fetch(url, init),
  };
}
