// The table of base URLs that the Rust client follows as well.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { init } from '@authtool/client';

const table = JSON.parse(readFileSync(new URL('../../client-wasm/tests/base-urls.json', import.meta.url), 'utf8'));

// Of a page this is all that the rules look at.
before(() => {
  globalThis.location = new URL('https://app.example/page');
});
after(() => {
  delete globalThis.location;
});

const baseUrlOf = (baseUrl) => init({ baseUrl }).baseUrl;

test('a base URL becomes a path', () => {
  for (const [raw, path] of table.accepted) assert.equal(baseUrlOf(raw), path, JSON.stringify(raw));
});

test('another origin and what is no path are refused, each in its own words', () => {
  for (const [name, message] of [
    ['otherOrigin', /^authtool: option baseUrl must be on the page's own origin; use a path such as '\/bff'$/],
    ['notAPath', /^authtool: option baseUrl must be a plain path such as '\/bff'$/],
  ]) {
    for (const raw of table[name]) assert.throws(() => baseUrlOf(raw), { name: 'TypeError', message }, JSON.stringify(raw));
  }
});

test('a page of another scheme and port has its own origin', () => {
  globalThis.location = new URL('http://localhost:3000/page');
  assert.equal(baseUrlOf('http://localhost:3000/bff'), '/bff');
  assert.throws(() => baseUrlOf('http://localhost:3001/bff'));
  globalThis.location = new URL('https://app.example/page');
});

test('addresses lead back to the page, and say what is asked of a login', () => {
  globalThis.location = new URL('https://app.example/page?x=1&prompt=none#a&b');
  const { client } = init({ baseUrl: '/bff' });
  const query = (url) => Object.fromEntries(url.searchParams);
  assert.deepEqual(query(client.loginUrl()), { redirect_uri: '/page?x=1&prompt=none#a&b' });
  assert.deepEqual(query(client.loginUrl('there?y')), { redirect_uri: 'https://app.example/there?y' });
  assert.deepEqual(query(client.loginUrl(null, { maxAge: 0, prompt: ['login', 'consent'], unknown: 1 })), {
    redirect_uri: '/page?x=1&prompt=none#a&b',
    prompt: 'login consent',
    max_age: '0',
  });
  assert.equal(client.logoutUrl().search, '');
  assert.throws(() => client.loginUrl('http://['), { name: 'TypeError', message: /redirectUri must be a URL or a path/ });
  globalThis.location = new URL('https://app.example/page');
});
