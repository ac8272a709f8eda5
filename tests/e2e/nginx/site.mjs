// A site that knows nothing of logins, behind nginx with our recipe for whole sites: the real provider, server and nginx.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePorts } from '../demo.mjs';
import { Programs, ROOT, answers } from '../programs.mjs';

const CLIENT_ID = 'authtool-demo';
const NGINX = process.env.NGINX ?? '/usr/sbin/nginx';

/** The recipe with these addresses, and with everything below `base`. */
async function recipe(base, { app, server, internal, pages }) {
  let text = await readFile(join(ROOT, 'gateway/nginx/whole-site.conf'), 'utf8');
  for (const [what, by] of [
    ['127.0.0.1:3000', `127.0.0.1:${server}`],
    ['127.0.0.1:3001', `127.0.0.1:${internal}`],
    ['127.0.0.1:4000', `127.0.0.1:${pages}`],
    ['listen 8080', `listen 127.0.0.1:${app}`],
    ['app.example.com', 'localhost'],
    ['/bff/', `${base}/bff/`],
    ['location / {', `location ${base}/ {`],
  ]) {
    if (!text.includes(what)) throw new Error(`the recipe has no ${what}`);
    text = text.replaceAll(what, by);
  }
  return text;
}

/** Starts all of it; the site's pages are below `base`, and `client` are further keys of the client's configuration. */
export async function startSite(base = '', client = {}) {
  const first = await freePorts(Number(process.env.AUTHTOOL_DEMO_SLOT ?? 0));
  const [app, server, internal, provider] = [0, 1, 2, 3].map((offset) => first + offset);
  const folder = await mkdtemp(join(tmpdir(), 'authtool-nginx-'));
  const origin = `http://localhost:${app}`;
  const programs = new Programs();
  // Each page shows what nginx tells the site, and nothing of the cookies is the site's business.
  const pages = await programs.listen((request, response) => {
    const { authorization = '', cookie = '' } = request.headers;
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><title>site</title><h1>The site</h1><p id="path">${request.url.replaceAll('<', '&lt;').replaceAll('&', '&amp;')}</p>
      <p id="token">${authorization.startsWith('Bearer ') ? 'with a token' : 'without a token'}</p><p id="cookies">${cookie === '' ? 'no cookies' : 'cookies'}</p>
      <a href="${base}/next">next page</a><form method="post" action="${base}/bff/logout"><button>Log out</button></form>`);
  });
  const stop = async () => {
    await programs.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const secret = randomBytes(32).toString('base64');
    const issuer = `http://127.0.0.1:${provider}`;
    const [redirectUri, afterLogout] = ['oauth/callback', 'oidc/logout/callback'].map((path) => `${origin}${base}/bff/${path}`);
    await programs.provider(
      [
        '--port', String(provider), '--issuer', issuer, '--client-id', CLIENT_ID,
        '--redirect-uri', redirectUri, '--post-logout-redirect-uri', afterLogout,
      ],
      { AUTHTOOL_PROVIDER_CLIENT_SECRET: secret },
    );

    const key = () => randomBytes(32).toString('base64');
    const config = {
      client: { issuer, clientId: CLIENT_ID, redirect_uri: redirectUri, postLogoutRedirectUri: afterLogout, credentials: { secret }, scope: 'openid profile email', ...client },
      session: { mode: { type: 'bff' }, signingKey: key(), encryptionKey: key(), userClaims: ['name'] },
      server: {
        apiPrefix: '/bff', ip: '127.0.0.1', port: server, internal: { ip: '127.0.0.1', port: internal }, trustedProxies: ['127.0.0.1'],
        ...(base === '' ? {} : { publicBasePath: base }),
      },
    };
    await writeFile(join(folder, 'authtool.json'), JSON.stringify(config), { mode: 0o600 });
    await programs.server(join(folder, 'authtool.json'), internal);

    // One process: a worker would outlive its master when that is killed.
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
        .join('\n')}\n${await recipe(base, { app, server, internal, pages })}\n}\n`,
    );
    const nginx = programs.start(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr']);
    await nginx.until('nginx answers', () => answers(`${origin}${base}/bff/session`));
    return { origin, issuer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
