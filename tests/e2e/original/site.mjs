// A site of the system that authtool replaces, after the switch: the configuration file that its documentation publishes, with only
// host names, ports and key files replaced; a real Envoy with the filters and routes of that documentation, and only its three
// settings of the Lua module; a real provider at a path; a real Redis.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePorts } from '../demo.mjs';
import { Programs, ROOT, answers } from '../programs.mjs';

const ENVOY = process.env.ENVOY ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'authtool/tools/envoy-1.40.0/envoy');
const LUA = join(ROOT, 'gateway/envoy');
const AUDIENCE = 'https://api.authtool.example';

/** Where the documentation's examples say that things are. */
const EXAMPLE = { provider: 'https://keycloak.example.com', app: 'https://catalog.example.com', redis: 'authorization-cache' };

const cluster = (name, port) => ({
  name,
  connect_timeout: '30s',
  type: 'LOGICAL_DNS',
  dns_lookup_family: 'V4_ONLY',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }],
  },
});

/** A filter that is switched off on a route, as the original's routes do it. */
const WITHOUT_LUA = {
  'envoy.filters.http.lua': { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute', disabled: true },
};

const toServer = (match, rewrite) => ({
  match,
  route: { prefix_rewrite: rewrite, cluster: 'authtool-bff', timeout: '0s' },
  typed_per_filter_config: WITHOUT_LUA,
});

/** Each endpoint twice, without `/token`; or, for apps that fetch their token, the whole prefix. */
const ROUTES = {
  bff: ['login', 'logout', 'oidc/logout/callback', 'session', 'oauth/callback'].flatMap((endpoint) => [
    toServer({ prefix: `/bff/${endpoint}/` }, `/bff/${endpoint}/`),
    toServer({ path: `/bff/${endpoint}` }, `/bff/${endpoint}`),
  ]),
  tokenExchange: [toServer({ prefix: '/bff' }, '/bff')],
};

/** The original's script: `on_request` and nothing else, with its three settings; and perhaps more of them. */
const script = (folder, more = '') => `
package.path = '${folder}/?.lua;' .. package.path
local token_exchange = require('token-exchange')

local config = {
  token_service_cluster = "authtool-bff",
  token_service_endpoint = "/bff/token",
  session_cookie_name = "__Host-session_id",${more}
}

function envoy_on_request(request_handle)
  token_exchange.on_request(request_handle, config)
end
`;

function envoyConfiguration(mode, { issuer, envoy, server, provider, api, pages }) {
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'frontend',
    use_remote_address: true,
    http_filters: [
      {
        name: 'envoy.filters.http.lua',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
          default_source_code: { inline_string: script(LUA) },
        },
      },
      {
        name: 'envoy.filters.http.jwt_authn',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
          providers: {
            keycloak: {
              issuer,
              audiences: [AUDIENCE],
              remote_jwks: { http_uri: { uri: `${issuer}/jwks`, cluster: 'authorization-server', timeout: '1s' } },
              forward: false,
              forward_payload_header: 'x-jwt-payload',
            },
          },
          rules: [{ match: { prefix: '/api' }, requires: { provider_name: 'keycloak' } }],
        },
      },
      { name: 'envoy.filters.http.router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } },
    ],
    route_config: {
      virtual_hosts: [
        {
          name: 'frontend',
          domains: ['*'],
          routes: [
            ...ROUTES[mode],
            // Where machines bring tokens of their own: one setting more.
            {
              match: { path_separated_prefix: '/api/batch' },
              route: { cluster: 'api' },
              typed_per_filter_config: {
                'envoy.filters.http.lua': {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute',
                  source_code: { inline_string: script(LUA, '\n  machine_prefixes = { "/api/batch" },') },
                },
              },
            },
            { match: { prefix: '/api' }, route: { cluster: 'api' } },
            { match: { prefix: '/' }, route: { cluster: 'website' } },
          ],
        },
      ],
    },
  };
  return {
    static_resources: {
      listeners: [
        {
          name: 'frontend',
          address: { socket_address: { address: '127.0.0.1', port_value: envoy } },
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
        },
      ],
      clusters: [cluster('authtool-bff', server), cluster('authorization-server', provider), cluster('api', api), cluster('website', pages)],
    },
  };
}

/** The published file, with other hosts and ports. Key files are beside it. */
async function configuration(mode, { origin, provider, server, redis }) {
  const text = await readFile(join(ROOT, 'tests/configs/original/documented-example.json'), 'utf8');
  const config = JSON.parse(
    text
      .replaceAll(EXAMPLE.provider, `http://127.0.0.1:${provider}`)
      .replaceAll(EXAMPLE.app, origin)
      .replaceAll(`"host": "${EXAMPLE.redis}"`, `"host": "127.0.0.1", "port": ${redis}`),
  );
  config.server = { ...config.server, ip: '127.0.0.1', port: server };
  // The file names no mode, and the default is the original's.
  if (mode === 'bff') config.session.mode = { type: 'bff' };
  return config;
}

/** The app of `app/`, as its bundler makes it. */
async function buildApp(mode) {
  const { build } = createRequire(join(ROOT, 'npm/package.json'))('esbuild');
  const { outputFiles } = await build({
    entryPoints: { core: join(import.meta.dirname, 'app/core.ts'), react: join(import.meta.dirname, 'app/react.tsx') },
    outdir: '/',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    nodePaths: [join(ROOT, 'examples/react-vite/node_modules')],
    write: false,
  });
  const page = (name) =>
    `<!doctype html><html lang="en" data-mode="${mode}"><meta charset="utf-8"><title>catalog</title><main id="app"></main><script type="module" src="/${name}.js"></script></html>`;
  const files = new Map(outputFiles.map(({ path, text }) => [path, ['text/javascript', text]]));
  for (const [path, name] of [['/', 'core'], ['/core', 'core'], ['/react', 'react']]) files.set(path, ['text/html', page(name)]);
  return files;
}

/** Starts all of it. */
export async function startSite(mode) {
  if (!existsSync(ENVOY)) throw new Error(`there is no Envoy at ${ENVOY}: \`cargo xtask test rust\` installs it; or name one in ENVOY`);
  const first = await freePorts(Number(process.env.AUTHTOOL_DEMO_SLOT ?? 0));
  // The internal listener is on the port after the server's.
  const [envoy, server, internal, provider, redis] = [0, 1, 2, 3, 4].map((offset) => first + offset);
  const origin = `http://localhost:${envoy}`;
  const issuer = `http://127.0.0.1:${provider}/realms/platform-demo`;
  const folder = await mkdtemp(join(tmpdir(), 'authtool-original-'));
  const programs = new Programs();
  const stop = async () => {
    await programs.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const files = await buildApp(mode);
    const pages = await programs.listen((request, response) => {
      const [type, body] = files.get(request.url.split('?', 1)[0]) ?? [];
      if (body === undefined) return response.writeHead(404).end('not found');
      return response
        .writeHead(200, { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'" })
        .end(body);
    });
    // What reaches it, it tells the page.
    const api = await programs.listen((request, response) => {
      const { 'x-jwt-payload': payload = '', authorization = '', cookie = '' } = request.headers;
      const claims = payload === '' ? null : JSON.parse(Buffer.from(payload, 'base64url').toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ claims, authorization, cookie }));
    });

    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const config = await configuration(mode, { origin, provider, server, redis });
    const registration = {
      token_endpoint_auth_method: 'private_key_jwt',
      client_secret: null,
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
    };
    const machine = { id: 'nightly-batch', secret: randomBytes(32).toString('base64url') };
    await programs.provider(
      [
        '--port', String(provider), '--issuer', issuer, '--client-id', config.client.clientId, '--client-metadata', JSON.stringify(registration),
        '--redirect-uri', config.client.redirect_uri, '--post-logout-redirect-uri', config.client.postLogoutRedirectUri, '--machine-client-id', machine.id,
      ],
      { AUTHTOOL_PROVIDER_MACHINE_CLIENT_SECRET: machine.secret },
    );
    programs.start('redis-server', ['--port', String(redis), '--bind', '127.0.0.1', '--save', '', '--dir', folder]);

    for (const [name, content] of [
      ['config.json', JSON.stringify(config)],
      ['key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' })],
      ['cookie-secret.key', randomBytes(32).toString('base64')],
      ['redis-token-enc.key', randomBytes(32).toString('base64')],
    ]) {
      await writeFile(join(folder, name), content, { mode: 0o600 });
    }
    const bff = await programs.server('config.json', internal, { cwd: folder });

    await writeFile(join(folder, 'envoy.json'), JSON.stringify(envoyConfiguration(mode, { issuer, envoy, server, provider, api, pages })));
    const gateway = programs.start(ENVOY, ['-c', join(folder, 'envoy.json'), '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning']);
    await gateway.until('Envoy answers', () => answers(`${origin}/core`));
    /** What a machine gets from the provider for itself. */
    const machineToken = async () => {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${machine.id}:${machine.secret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
      const { access_token: token, ...failure } = await response.json();
      if (token === undefined) throw new Error(`no token for a machine: ${JSON.stringify(failure)}`);
      return token;
    };
    return { origin, issuer, stop, stopServer: bff.stop, machineToken };
  } catch (error) {
    await stop();
    throw error;
  }
}
