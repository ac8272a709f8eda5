// An OpenID Provider: npm `oidc-provider`, unmodified, for the demo and the tests.
// Prints `ready <issuer>` when it listens.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { providerConfiguration } from './configuration.mjs';
import { interact, isInteraction } from './interactions.mjs';
import { exitOnSignals, exitWithParent, listen } from './lifecycle.mjs';
import { odd } from './odd.mjs';
import { readOptions, wholeNumber } from './options.mjs';

const options = readOptions('AUTHTOOL_PROVIDER', {
  // 0 takes a free port; the `ready` line tells which.
  port: { type: 'string' },
  // Without one: http://127.0.0.1:<port>.
  issuer: { type: 'string' },
  'client-id': { type: 'string' },
  'client-secret': { type: 'string' },
  'machine-client-id': { type: 'string' },
  // With one, there is a client that gets tokens by itself.
  'machine-client-secret': { type: 'string' },
  'redirect-uri': { type: 'string', multiple: true },
  'post-logout-redirect-uri': { type: 'string', multiple: true },
  'backchannel-logout-uri': { type: 'string' },
  'access-token-ttl': { type: 'string' },
  // A refresh token is good for one refresh, and using it twice ends the grant.
  rotate: { type: 'boolean' },
  // JSON members of the client's registration (RFC 7591 §2), over the ones above.
  'client-metadata': { type: 'string' },
  // Only pushed authorization requests (RFC 9126 §5).
  'require-par': { type: 'boolean' },
  // Only signed request objects (RFC 9101 §10.5).
  'require-signed-request-object': { type: 'boolean' },
  // Every DPoP proof needs a nonce (RFC 9449 §8).
  'require-dpop-nonce': { type: 'boolean' },
  // Its answers are honest and unusual.
  odd: { type: 'boolean' },
  'exit-with-parent': { type: 'boolean' },
});

exitOnSignals();
if (options['exit-with-parent']) exitWithParent();

const server = createServer();
const port = await listen(server, wholeNumber('port', options.port ?? '3002'));
const issuer = options.issuer ?? `http://127.0.0.1:${port}`;
/** Where the provider is mounted: an issuer may have a path. */
const base = new URL(issuer).pathname.replace(/\/$/, '');

/** The issuer contains the port, so the provider exists only after the server listens. */
async function makeProvider() {
  const provider = new Provider(
    issuer,
    await providerConfiguration({
      clientId: options['client-id'] ?? 'authtool-demo',
      clientSecret: options['client-secret'] ?? 'demo-secret-that-protects-nothing',
      machineClientId: options['machine-client-id'] ?? 'batch',
      machineClientSecret: options['machine-client-secret'],
      redirectUris: options['redirect-uri'] ?? ['http://localhost:3000/bff/oauth/callback'],
      postLogoutRedirectUris: options['post-logout-redirect-uri'] ?? ['http://localhost:3000/bff/oidc/logout/callback'],
      backchannelLogoutUri: options['backchannel-logout-uri'],
      accessTokenTtl: wholeNumber('access-token-ttl', options['access-token-ttl'] ?? '300', 1),
      rotate: options.rotate ?? false,
      clientMetadata: JSON.parse(options['client-metadata'] ?? '{}'),
      requirePar: options['require-par'] ?? false,
      requireSignedRequestObject: options['require-signed-request-object'] ?? false,
      requireDpopNonce: options['require-dpop-nonce'] ?? false,
    }),
  );
  if (options.odd) provider.use(odd);
  provider.on('server_error', (_ctx, error) => console.error('server error:', error));
  provider.on('backchannel.error', (_ctx, error, client) =>
    console.error(`back-channel logout of ${client.clientId} failed:`, error.message),
  );
  for (const event of ['authorization.error', 'grant.error', 'end_session.error', 'revocation.error']) {
    provider.on(event, (_ctx, error) =>
      console.error(`${event}: ${error.message} ${error.error_detail ?? error.error_description ?? ''}`),
    );
  }
  return { provider, handle: provider.callback() };
}

const making = makeProvider();
// Who connects in the meantime waits.
server.on('request', async (request, response) => {
  const { provider, handle } = await making;
  if (isInteraction(request)) return interact(provider, request, response);
  if (base !== '') {
    if (!request.url.startsWith(`${base}/`)) return response.writeHead(404).end();
    // As frameworks do that mount a handler; oidc-provider reads where it is from the two.
    request.originalUrl = request.url;
    request.url = request.url.slice(base.length);
  }
  return handle(request, response);
});

await making;
console.log(`ready ${issuer}`);
