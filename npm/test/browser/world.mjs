// An app in `tokenExchange` mode under the strictest policy that it runs under, the server beside it, an API on another
// origin, and one that nobody should trust.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

import { json } from './site.mjs';

const bundle = await readFile(new URL('../../dist/index.js', import.meta.url));

const APP = `import * as authtool from '/authtool.js';
window.authtool = authtool;
window.violations = [];
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push(violatedDirective + ' ' + blockedURI));
window.start = (options) => {
  window.manager = authtool.init({ baseUrl: '/bff', mode: 'tokenExchange', ...options });
  window.heard = [];
  for (const event of ['login', 'logout', 'expired', 'unavailable', 'expiring']) manager.on(event, () => heard.push(event));
  return manager.start();
};
const options = new URL(location.href).searchParams.get('start');
if (options) start(JSON.parse(options));
`;

const PAGE = '<!doctype html><meta charset="utf-8"><title>app</title><p id="who"></p><script type="module" src="/app.js"></script>';

async function listen(handler, host) {
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://${host}:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Permits everything: what is not sent is not sent because the client does not. */
function cors(request, response) {
  for (const [name, value] of [
    ['origin', request.headers.origin ?? '*'],
    ['credentials', 'true'],
    ['headers', 'authorization, content-type, x-own'],
    ['methods', 'GET, POST, PUT'],
  ]) {
    response.setHeader(`access-control-allow-${name}`, value);
  }
  if (request.method !== 'OPTIONS') return false;
  response.writeHead(204).end();
  return true;
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Somebody is logged in: `world.user`, or nobody when that is `null`. */
export async function openWorld() {
  const world = {
    user: 'ada',
    sessionSeconds: 3_600,
    tokenSeconds: 300,
    /** Every request below /bff, to the API, and to the stranger. */
    bff: [],
    api: [],
    stranger: [],
    issued: 0,
    /** What the server knows: the token stays the same until it is told to issue another one. */
    token: 'canary-ada-1',
    issue(user = world.user) {
      world.issued += 1;
      world.token = `canary-${user}-${world.issued + 1}`;
    },
    /** Replaceable answers. */
    answerSession(_request, response) {
      if (!world.user) return json(response, 401, { code: 'no_session' });
      return json(response, 200, { name: world.user, session: { expires_in: world.sessionSeconds } });
    },
    answerToken(_request, response) {
      if (!world.user) return json(response, 401, { code: 'no_session' });
      return json(response, 200, { access_token: world.token, token_type: 'Bearer', expires_in: world.tokenSeconds });
    },
    answerApi: (_request, response) => json(response, 200, {}),
    asked: (path) => world.bff.filter(({ url }) => url.startsWith(`/bff/${path}`)).length,
  };
  const app = await listen(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname === '/authtool.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(bundle);
    else if (pathname === '/app.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(APP);
    else if (pathname.startsWith('/bff/')) {
      world.bff.push({ method: request.method, url: request.url, headers: request.headers });
      if (pathname === '/bff/session') await world.answerSession(request, response);
      else if (pathname === '/bff/token') await world.answerToken(request, response);
      else {
        if (pathname === '/bff/logout') world.user = null;
        response.writeHead(303, { location: '/' }).end();
      }
    } else if (pathname.startsWith('/api/')) {
      world.api.push({ method: request.method, url: request.url, headers: request.headers, body: await bodyOf(request) });
      await world.answerApi(request, response);
    } else {
      response
        .writeHead(200, {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy':
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' http: https: data: blob:; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        })
        .end(PAGE);
    }
  }, 'localhost');
  const api = await listen(async (request, response) => {
    if (cors(request, response)) return;
    world.api.push({ method: request.method, url: request.url, headers: request.headers, body: await bodyOf(request) });
    await world.answerApi(request, response);
  }, '127.0.0.1');
  const stranger = await listen((request, response) => {
    world.stranger.push({ method: request.method, url: request.url, headers: request.headers });
    if (!cors(request, response)) json(response, 200, {});
  }, '127.0.0.1');
  return Object.assign(world, {
    origin: app.origin,
    apiOrigin: api.origin,
    strangerOrigin: stranger.origin,
    close: () => [app, api, stranger].forEach((server) => server.close()),
  });
}
