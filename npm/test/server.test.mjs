import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { AuthtoolError, init, isUnauthorized } from '@authtool/client';

test('on a server the manager asks nobody and stays initialising', async (context) => {
  context.mock.method(globalThis, 'fetch', () => assert.fail('a request was sent'));
  context.mock.method(WebAssembly, 'Module', () => assert.fail('WebAssembly was compiled'));
  const manager = init({ baseUrl: '/bff' });
  const { state } = manager;
  assert.deepEqual(state, { status: 'initialising', session: null, error: null });
  assert.equal(await manager.start(), state);
  assert.equal(await manager.check(), state);
  assert.equal(manager.getState(), state);
  await assert.rejects(manager.getSession(), { name: 'AuthtoolError', code: 'inactive' });
  manager.subscribe(() => {})();
  manager.on('login', () => {})();
  manager.login();
  manager.logout();
  manager.dispose();
});

test('on a server links can be rendered', () => {
  const { client } = init({ baseUrl: '/bff/' });
  assert.equal(client.loginUrl().pathname, '/bff/login');
  assert.equal(client.logoutUrl('/bye?x=1#y').search, '?redirect_uri=%2Fbye%3Fx%3D1%23y');
  assert.equal(init().client.loginUrl().pathname, '/login');
});

test('importing runs nothing: not even what jsdom lacks is missed', () => {
  const script = `
    for (const name of ['TextDecoder', 'TextEncoder', 'WebAssembly', 'fetch', 'BroadcastChannel', 'FinalizationRegistry']) delete globalThis[name];
    const { init } = await import('@authtool/client');
    console.log(init().state.status);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: new URL('.', import.meta.url),
    encoding: 'utf8',
  });
  assert.equal(stdout, 'initialising\n', stderr);
});

test('an error says what happened, with its code and status', () => {
  assert.equal(new AuthtoolError('server', 503).message, 'authtool: the server answered with an error (server 503)');
  assert.equal(new AuthtoolError('network').message, 'authtool: no answer (network)');
});

test('options that cannot be used are named', () => {
  for (const [options, name] of [
    [{ baseUrl: 5 }, 'baseUrl'],
    [{ mode: 'token' }, 'mode'],
    [{ autostart: 'yes' }, 'autostart'],
    [{ maxJitterMs: -1 }, 'maxJitterMs'],
    [{ maxJitterMs: Number.NaN }, 'maxJitterMs'],
  ]) {
    assert.throws(() => init(options), (error) => error instanceof TypeError && error.message.includes(`option ${name} `));
  }
});

test('tokenMediation is the other name of tokenExchange', () => {
  assert.equal(init({ mode: 'tokenMediation' }).mode, 'tokenExchange');
  assert.equal(init({ mode: 'tokenExchange' }).mode, 'tokenExchange');
  assert.equal(init().mode, 'bff');
});

test('only a missing session is unauthorized', () => {
  assert.equal(isUnauthorized(new AuthtoolError('unauthorized', 401)), true);
  for (const other of [new AuthtoolError('network'), new AuthtoolError('server', 403), new Error('x'), null, 401]) {
    assert.equal(isUnauthorized(other), false);
  }
});
