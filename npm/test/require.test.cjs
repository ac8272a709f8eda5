const assert = require('node:assert/strict');
const { test } = require('node:test');

test('CommonJS gets the same package', async () => {
  const required = require('@authtool/client');
  const imported = await import('@authtool/client');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(imported).filter((name) => !['default', 'module.exports', '__esModule'].includes(name)).sort());
  assert.equal(required.init({ baseUrl: '/bff' }).state.status, 'initialising');
});
