import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthtoolError, init, isUnauthorized } from '@authtool/client';
import { createFakeManager } from '@authtool/client/testing';

test('a fake manager has everything that a real one has', () => {
  const fake = createFakeManager();
  for (const name of Object.keys(init())) assert.ok(name in fake, name);
});

test('without anything said, nobody is logged in', async () => {
  const manager = createFakeManager();
  assert.deepEqual(manager.state, { status: 'unauthenticated', session: null, error: null });
  await assert.rejects(manager.getSession(), isUnauthorized);
});

test('every state can be begun with', async () => {
  assert.equal(createFakeManager({ user: { name: 'Ada' } }).state.session.user.name, 'Ada');
  assert.equal(createFakeManager({ status: 'initialising' }).state.status, 'initialising');
  assert.equal(createFakeManager({ status: 'unavailable' }).state.error.code, 'network');
  const known = createFakeManager({ status: 'unavailable', user: { name: 'Ada' }, error: new AuthtoolError('server', 503) });
  assert.equal(known.state.error.status, 503);
  assert.equal((await known.getSession()).user.name, 'Ada');
  assert.equal(createFakeManager({ user: {}, expiresAt: 7 }).state.session.expiresAt, 7);
});

test('what happens is told to subscribers, and by name', () => {
  const manager = createFakeManager();
  const heard = [];
  const unsubscribe = manager.subscribe(({ status }) => heard.push(status));
  for (const event of ['login', 'expiring', 'expired', 'logout', 'unavailable']) manager.on(event, () => heard.push(`: ${event}`));
  manager.authenticate({ name: 'Ada' });
  manager.expireSoon(1_000);
  manager.fail();
  assert.equal(manager.state.session.user.name, 'Ada');
  manager.expire();
  manager.endSession();
  unsubscribe();
  manager.authenticate();
  assert.deepEqual(heard, [
    'authenticated', ': login', 'authenticated', ': expiring', 'unavailable', ': unavailable',
    'unauthenticated', ': expired', 'unauthenticated', ': logout', ': login',
  ]);
});

test('what the app does is recorded, and leads nowhere', async () => {
  const manager = createFakeManager({ user: { name: 'Ada' } });
  const before = manager.state;
  manager.login({ redirectUri: '/here', loginHint: 'ada' });
  manager.logout();
  await manager.check();
  assert.equal(manager.state, before);
  assert.deepEqual(manager.calls.login, [{ redirectUri: '/here', loginHint: 'ada' }]);
  assert.deepEqual(manager.calls.logout, [{}]);
  assert.equal(manager.calls.checks, 1);
});

test('links can be rendered', () => {
  const { client } = createFakeManager({ baseUrl: '/auth' });
  assert.equal(client.loginUrl('/here').href, 'http://localhost/auth/login?redirect_uri=%2Fhere');
  assert.equal(client.logoutUrl().pathname, '/auth/logout');
});

test('access tokens come in tokenExchange mode, for somebody', async () => {
  await assert.rejects(createFakeManager({ user: {} }).getAccessToken(), { code: 'wrong_mode' });
  const manager = createFakeManager({ mode: 'tokenExchange', accessToken: ({ rejected }) => (rejected ? 'second' : 'first') });
  await assert.rejects(manager.getAccessToken(), isUnauthorized);
  manager.authenticate();
  assert.equal(await manager.getAccessToken(), 'first');
  assert.equal(await manager.getAccessToken({ rejected: 'first' }), 'second');
});

test('fetch is the global one, or the test’s own', async (context) => {
  context.mock.method(globalThis, 'fetch', async () => 'global');
  assert.equal(await createFakeManager().fetch('/api'), 'global');
  const manager = createFakeManager({ fetch: async () => 'own' });
  assert.equal(await manager.fetch('/api', { method: 'POST' }), 'own');
  assert.deepEqual(manager.calls.fetch, [['/api', { method: 'POST' }]]);
});

test('disposed, it is silent, and says that it was', () => {
  const manager = createFakeManager();
  manager.subscribe(() => assert.fail('a listener was called'));
  manager.dispose();
  manager.authenticate();
  assert.equal(manager.calls.disposed, true);
});
