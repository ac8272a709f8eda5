// The program of ../contract.ts, as a bundler makes it for a page.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { launch } from './chromium.mjs';
import { SESSION, json } from './site.mjs';

let browser, server, origin;
let loggedIn = true;

before(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../contract.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    charset: 'utf8',
    write: false,
  });
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname === '/program.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(outputFiles[0].contents);
    else if (!pathname.startsWith('/bff/')) response.writeHead(200, { 'content-type': 'text/html' }).end('<script type="module" src="/program.js"></script>');
    else if (!loggedIn) json(response, 401, { code: 'no_session' });
    else if (pathname === '/bff/session') json(response, 200, SESSION);
    else json(response, 200, { access_token: 'abc', token_type: 'Bearer', expires_in: 60 });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://localhost:${server.address().port}`;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});

for (const [who, user, token, changes] of [
  ['somebody', SESSION.email, 'abc', ['authenticated']],
  ['nobody', 'nobody', '', ['unauthenticated']],
]) {
  test(`a program written from the original's reference runs when ${who} is logged in`, async () => {
    loggedIn = who === 'somebody';
    const page = await browser.newPage();
    await page.goto(`${origin}/here?q#f`);
    await page.waitForFunction(() => window.outcome);
    const back = encodeURIComponent('/here?q#f');
    assert.deepEqual(await page.evaluate(() => window.outcome), {
      user,
      token,
      addresses: ['/bff', `${origin}/bff/login?redirect_uri=${back}`, `${origin}/bff/login?redirect_uri=${encodeURIComponent(`${origin}/after?x=1#y`)}`, `${origin}/bff/logout`],
      changes,
    });
    await page.close();
  });
}
