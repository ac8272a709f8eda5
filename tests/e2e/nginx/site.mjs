// A site that knows nothing of logins, behind nginx with our recipe for whole sites: the real provider, server and nginx.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { freePorts } from '../demo.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CLIENT_ID = 'authtool-demo';
const PATIENCE = 60_000;

/** Built beside the task that runs us, or in the usual place. */
const SERVER = join(process.env.AUTHTOOL_XTASK === undefined ? join(ROOT, 'target/debug') : dirname(process.env.AUTHTOOL_XTASK), 'authtool-bff');
const NGINX = process.env.NGINX ?? '/usr/sbin/nginx';

/** Resolves once `condition` holds. */
async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const answers = (url) => fetch(url, { redirect: 'manual' }).then((response) => response.status < 500, () => false);

/** Starts a program whose output is kept for when it is missed. */
function start(program, parameters, options = {}) {
  const child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  const said = [];
  child.stderr.on('data', (chunk) => said.push(chunk));
  child.once('error', (error) => said.push(`${error.message}\n`));
  return { child, said: () => said.join('') };
}

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
  const programs = [];
  // Each page shows what nginx tells the site, and nothing of the cookies is the site's business.
  const pages = createServer((request, response) => {
    const { authorization = '', cookie = '' } = request.headers;
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><title>site</title><h1>The site</h1><p id="path">${request.url.replaceAll('<', '&lt;').replaceAll('&', '&amp;')}</p>
      <p id="token">${authorization.startsWith('Bearer ') ? 'with a token' : 'without a token'}</p><p id="cookies">${cookie === '' ? 'no cookies' : 'cookies'}</p>
      <a href="${base}/next">next page</a><form method="post" action="${base}/bff/logout"><button>Log out</button></form>`);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    for (const { child } of programs) {
      const ended = new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', resolve) : resolve()));
      child.kill('SIGTERM');
      await ended;
    }
    pages.closeAllConnections();
    await new Promise((resolve) => pages.close(resolve));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const secret = randomBytes(32).toString('base64');
    const issuer = `http://127.0.0.1:${provider}`;
    const [redirectUri, afterLogout] = ['oauth/callback', 'oidc/logout/callback'].map((path) => `${origin}${base}/bff/${path}`);
    const openid = start(
      process.execPath,
      [
        'provider.mjs', '--port', String(provider), '--issuer', issuer, '--client-id', CLIENT_ID,
        '--redirect-uri', redirectUri, '--post-logout-redirect-uri', afterLogout, '--exit-with-parent',
      ],
      { cwd: join(ROOT, 'tests/provider'), env: { ...process.env, AUTHTOOL_PROVIDER_CLIENT_SECRET: secret } },
    );
    programs.push(openid);
    const ready = new Promise((resolve) => createInterface({ input: openid.child.stdout }).on('line', (line) => line.startsWith('ready ') && resolve(true)));
    const ended = new Promise((_, reject) => openid.child.once('exit', () => reject(new Error(`the provider ended: ${openid.said()}`))));
    ended.catch(() => {});
    await Promise.race([ready, ended]);

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
    programs.push(start(SERVER, ['--config', join(folder, 'authtool.json')]));
    const bff = programs.at(-1);
    bff.child.stdout.resume();
    await until(`the server is ready: ${SERVER}`, async () => {
      if (bff.child.exitCode !== null) throw new Error(`the server ended: ${bff.said()}`);
      return fetch(`http://127.0.0.1:${internal}/-/ready`).then((response) => response.ok, () => false);
    });

    // One process: a worker would outlive its master when that is killed.
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
        .join('\n')}\n${await recipe(base, { app, server, internal, pages: pages.address().port })}\n}\n`,
    );
    programs.push(start(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr']));
    const nginx = programs.at(-1);
    await until('nginx answers', async () => {
      if (nginx.child.exitCode !== null) throw new Error(`nginx ended: ${nginx.said()}`);
      return answers(`${origin}${base}/bff/session`);
    });
    return { origin, issuer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
