// How an app's own tests use the package.
import { init } from '@authtool/client';
import { Authenticated, AuthtoolProvider, Unauthenticated, useUserManager } from '@authtool/client/react';
import { createFakeManager } from '@authtool/client/testing';
import { act, createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import { beforeEach, expect, test } from 'vitest';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
beforeEach(() => document.body.replaceChildren());

function Header() {
  const manager = useUserManager();
  return [
    h(Authenticated, { key: 1 }, ({ user }) => h('button', { onClick: () => manager.logout() }, `Log out ${user.name}`)),
    h(Unauthenticated, { key: 2 }, h('button', { onClick: () => manager.login({ redirectUri: '/here' }) }, 'Log in')),
  ];
}

function show(manager) {
  act(() => createRoot(document.body).render(h(AuthtoolProvider, { manager }, h(Header))));
  return () => document.querySelector('button');
}

test('the button follows the session, and does what it says', () => {
  const manager = createFakeManager({ user: { name: 'Ada' } });
  const button = show(manager);
  expect(button().textContent).toBe('Log out Ada');
  act(() => button().click());
  expect(manager.calls.logout).toEqual([{}]);
  act(() => manager.expire());
  expect(button().textContent).toBe('Log in');
  act(() => button().click());
  expect(manager.calls.login).toEqual([{ redirectUri: '/here' }]);
});

test('importing the package is harmless in jsdom, and its addresses work there', () => {
  const { client } = init({ baseUrl: '/bff', autostart: false });
  expect(client.loginUrl('/here').pathname).toBe('/bff/login');
});
