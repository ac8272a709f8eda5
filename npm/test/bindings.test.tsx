// Compiled, not run: what an editor tells those who use a binding, or the test kit.
import { AuthtoolError, init, type UserManager } from '@authtool/client';
import {
  Authenticated,
  AuthtoolProvider,
  RequireAuth,
  Unauthenticated,
  useAccessToken,
  useAuthtoolContext,
  useSession,
  useUser,
  useUserManager,
} from '@authtool/client/react';
import { AuthtoolProvider as SolidProvider, useAuthtool as useInSolid } from '@authtool/client/solid';
import { getAuthtool, setAuthtool } from '@authtool/client/svelte';
import { createFakeManager } from '@authtool/client/testing';
import { createAuthtool, useAuthtool as useInVue } from '@authtool/client/vue';
import { createApp } from 'vue';

export const React = () => {
  const context = useAuthtoolContext();
  const manager: UserManager = context.manager;
  if (context.status == 'unavailable') manager.login({ prompt: context.error.code });
  if (context.status == 'authenticated') return <p>{context.session.user.name}</p>;

  const roles: readonly string[] = useUser<{ roles: string[] }>()?.roles ?? [];
  const name: string | undefined = useUser()?.name;
  const token: Promise<string> = useAccessToken()();
  const { status } = useSession();
  void [roles, name, token, status, useUserManager().client.loginUrl()];
  // @ts-expect-error: a claim that nobody declared is unknown
  const department: string = useUser()?.['department'];
  void department;
  return null;
};

export const app = (
  <AuthtoolProvider baseUrl="/bff" mode="tokenExchange" autostart={false}>
    <Authenticated fallback={({ status }) => status}>{({ user }) => user.email}</Authenticated>
    <Unauthenticated>nobody</Unauthenticated>
    <RequireAuth login={{ redirectUri: '/', loginHint: 'ada' }} fallback={<p>one moment</p>}>
      <p>inside</p>
    </RequireAuth>
    {/* @ts-expect-error: an option of the login that does not exist */}
    <RequireAuth login={{ redirectUrl: '/' }} />
  </AuthtoolProvider>
);

export const given = <AuthtoolProvider manager={init()} />;
// @ts-expect-error: an option that does not exist
export const wrong = <AuthtoolProvider baseURL="/bff" />;

createApp({}).use(createAuthtool({ baseUrl: '/bff' }));
export const inVue: string | undefined = useInVue().user.value?.name;
SolidProvider({ baseUrl: '/bff' });
export const inSolid: string | undefined = useInSolid().user()?.name;
setAuthtool({ manager: init() });
getAuthtool().user.subscribe((user) => user?.name);

const fake = createFakeManager({ user: { name: 'Ada' }, mode: 'tokenExchange', accessToken: ({ rejected }) => rejected ?? 'first' });
export const real: UserManager = fake;
fake.authenticate({ sub: 'ada', roles: [] });
fake.fail(new AuthtoolError('server', 503));
fake.calls.login[0]?.loginHint?.trim();
// @ts-expect-error: a status that does not exist
createFakeManager({ status: 'loading' });
