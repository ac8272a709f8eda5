// The README's interceptors for axios, as they stand there.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { build } from 'esbuild';
import { launch } from './chromium.mjs';
import { json } from './site.mjs';
import { openWorld } from './world.mjs';

const apps = fileURLToPath(new URL('../apps/', import.meta.url));

async function recipe(apiOrigin) {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, code] = /<!-- test: axios -->\n```js\n([^]*?)```/.exec(readme);
  const { outputFiles } = await build({
    stdin: { contents: `const { manager } = window;\n${code.replace('https://api.example.com', apiOrigin)}\nwindow.api = api;`, resolveDir: apps },
    bundle: true,
    format: 'esm',
    write: false,
  });
  return outputFiles[0].text;
}

test('the interceptors for axios add the token, and after a 401 fetch it once and retry once', async () => {
  const world = await openWorld();
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const script = await recipe(world.apiOrigin);
    await page.route('**/recipe.js', (route) => route.fulfill({ contentType: 'text/javascript', body: script }));
    await page.goto(world.origin);
    await page.waitForFunction(() => window.start);
    await page.evaluate(() => window.start({}));
    await page.evaluate(() => import('/recipe.js'));
    const get = () => page.evaluate(() => Promise.all([1, 2, 3].map(() => window.api.get('/x').then(({ status }) => status, ({ response }) => response?.status))));

    assert.deepEqual(await get(), [200, 200, 200]);
    assert.ok(world.api.every(({ headers }) => headers.authorization === 'Bearer canary-ada-1'));
    assert.equal(world.asked('token'), 1);

    world.issue();
    world.answerApi = (request, response) => json(response, request.headers.authorization === 'Bearer canary-ada-2' ? 200 : 401, {});
    assert.deepEqual(await get(), [200, 200, 200]);
    assert.equal(world.asked('token'), 2);

    world.api.length = 0;
    world.answerApi = (_request, response) => json(response, 401, {});
    assert.deepEqual(await get(), [401, 401, 401]);
    assert.equal(world.api.length, 6);
  } finally {
    await browser.close();
    world.close();
  }
});
