// A site with the built package on it, and a server beside it that answers as a test wants.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';

const bundle = await readFile(new URL('../../dist/index.js', import.meta.url));

/** The first example of the README, as somebody would paste it. */
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const [html, script] = ['html', 'js'].map((language) => readme.split(`\`\`\`${language}\n`)[1].split('```')[0]);
const README_PAGE = `<!doctype html><meta charset="utf-8"><title>README</title>
<script type="importmap">{ "imports": { "@authtool/client": "/authtool.js" } }</script>
${html}<script type="module">${script}</script>`;

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title>
<script type="module">
  import * as authtool from '/authtool.js';
  Object.assign(window, { authtool });
  if (!location.search.includes('bare')) {
    const manager = authtool.init({ baseUrl: '/bff' });
    const seen = [manager.state.status];
    const events = [];
    manager.subscribe((state) => seen.push(state.status));
    for (const event of ['login', 'logout', 'expired', 'unavailable']) manager.on(event, () => events.push(event));
    Object.assign(window, { manager, seen, events });
  }
</script>`;

export const SESSION = { email: 'ada@example.com', name: 'Ada <b>', session: { expires_in: 3600 } };

export function json(response, status, body, headers = {}) {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type, ...headers }).end(JSON.stringify(body));
}

/** What every page of an app runs under. */
const SECURITY = { 'content-security-policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'" };

/**
 * Listens on a free port of `localhost`. `site.session` decides what `/bff/session` answers, `site.login` what a login
 * does.
 */
export async function openSite() {
  const site = {
    /** Every request below /bff. */
    requests: [],
    session: (_request, response) => json(response, 200, SESSION),
    login: (_request, response) => response.writeHead(303, { location: '/' }).end(),
    /** Further files, by their path: `{ type, body }`. */
    files: new Map(),
  };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/authtool.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(bundle);
    } else if (path.startsWith('/bff/')) {
      site.requests.push({ method: request.method, url: request.url, headers: request.headers });
      if (path === '/bff/session') await site.session(request, response);
      else if (path === '/bff/logout') {
        site.session = (_request, answer) => json(answer, 401, { code: 'no_session' });
        response.writeHead(303, { location: '/' }).end();
      } else site.login(request, response);
    } else if (site.files.has(path)) {
      const { type, body } = site.files.get(path);
      response.writeHead(200, { 'content-type': type, ...SECURITY }).end(body);
    } else {
      response
        .writeHead(200, {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': `default-src 'none'; script-src 'self' 'unsafe-inline' ${path === '/strict' ? '' : "'wasm-unsafe-eval'"}; connect-src 'self'; form-action 'self'`,
        })
        .end(path === '/readme' ? README_PAGE : PAGE);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  site.origin = `http://localhost:${server.address().port}`;
  site.sessionRequests = () => site.requests.filter(({ url }) => url === '/bff/session').length;
  site.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return site;
}
