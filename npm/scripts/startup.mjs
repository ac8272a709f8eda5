// Prints how long a page waits for its first request: from the first statement of its script to the start of
// `GET /session`, in Chromium, beside a `fetch` written by hand on the same page.
//
// The pages come in turn, each from another site (127.0.x.y), and so each in a renderer of its own in which nothing is
// compiled yet. No debugger is attached, Playwright included: an attached one makes `fetch` alone several times slower.
//
// With `--json`, the medians for programs. Environment: CHROMIUM (default /usr/bin/chromium), RUNS (default 31).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const TARGET_MS = 5;
const LONGEST_MS = 300_000;

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const runs = Number(process.env.RUNS || 31);

/** What a bundler makes of an app that is nothing but the package. */
const app = await build({
  stdin: { contents: "import { init } from '@authtool/client'; init({ baseUrl: '/bff' });", resolveDir: npm },
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  minify: true,
  write: false,
});
const variants = [
  {
    name: 'fetch by hand',
    script: `fetch('/bff/session', {
      credentials: 'same-origin', cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(15000),
      headers: { accept: 'application/json', 'x-authtool-csrf': '1' },
    });`,
  },
  { name: 'the package', script: app.outputFiles[0].text },
].map((variant) => ({ ...variant, found: [] }));

// The first pages of a browser start more than themselves.
const WARM_UP = 2 * variants.length;
const pages = WARM_UP + runs * variants.length;
const variantOf = (number) => variants[number % variants.length];

const html = (number) => `<!doctype html><title>start-up</title>
<script type="module" src="/app.js?${number}"></script>
<script>
  const look = async () => {
    const request = performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/bff/session'));
    if (!request) return setTimeout(look, 100);
    const { startTime } = performance.getEntriesByName('start')[0];
    await fetch('/found?${number}', { method: 'POST', body: request.startTime - startTime });
    location = ${JSON.stringify(number + 1 < pages ? address(number + 1) : 'about:blank')};
  };
  setTimeout(look, 400);
</script>`;

function address(number) {
  return `http://127.0.${1 + (number >> 7)}.${1 + (number & 127)}:${server.address().port}/?${number}`;
}

const server = createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url, 'http://localhost');
  const number = Number(search.slice(1));
  const send = (type, body) =>
    response.writeHead(200, {
      'content-type': type,
      'cache-control': 'no-store',
      // An isolated page has a clock of 5 µs; any other, one of 100 µs.
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    }).end(body);
  if (pathname === '/') send('text/html; charset=utf-8', html(number));
  else if (pathname === '/app.js') send('text/javascript', `performance.mark('start');\n${variantOf(number).script}`);
  else if (pathname === '/found') {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (number >= WARM_UP) variantOf(number).found.push(Number(body));
    send('text/plain', '');
    if (number === pages - 1) server.emit('finished');
  } else response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{}');
});
await new Promise((listening) => server.listen(0, '0.0.0.0', listening));

const profile = mkdtempSync(join(tmpdir(), 'authtool-startup-'));
const browser = spawn(process.env.CHROMIUM || '/usr/bin/chromium', [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, address(0),
], { stdio: 'ignore', detached: true });
const exited = new Promise((exited) => browser.once('exit', exited).once('error', exited));
await new Promise((finished, failed) => {
  server.once('finished', finished);
  exited.then(() => failed(new Error('the browser ended before the measurement did')));
  setTimeout(() => failed(new Error(`no result after ${LONGEST_MS / 1000} s`)), LONGEST_MS).unref();
}).finally(async () => {
  // The whole group: what the browser has started may still write into its profile.
  if (browser.pid !== undefined && browser.exitCode === null && browser.signalCode === null) process.kill(-browser.pid);
  await exited;
  server.close();
  server.closeAllConnections();
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const quantile = (values, part) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)];
const row = (name, of) => `  ${name.padEnd(15)}${[0, 0.25, 0.5].map((part) => of(part).toFixed(2).padStart(12)).join('')}`;
const [hand, ours] = variants;
const difference = (part) => quantile(ours.found, part) - quantile(hand.found, part);
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ by_hand: quantile(hand.found, 0.5), package: quantile(ours.found, 0.5), pages: runs }));
} else {
  console.log(`script start to the request, ${runs} pages each, milliseconds`);
  console.log(`  ${''.padEnd(15)}${['least', 'quarter', 'median'].map((title) => title.padStart(12)).join('')}`);
  for (const { name, found } of variants) console.log(row(name, (part) => quantile(found, part)));
  console.log(row('difference', difference));
  console.log(`target: a median difference of ${TARGET_MS} ms or less: ${difference(0.5) <= TARGET_MS ? 'met' : 'missed'}`);
}
