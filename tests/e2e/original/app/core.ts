// An app without a framework, as somebody wrote it for the system that authtool replaces: only the import is another one.
import { init, isUnauthorized, type UserManager } from '@authtool/client';

const app = document.querySelector('#app')!;

/** Shows a text under a name. */
const show = (name: string, text: string): void => {
  let place = document.getElementById(name);
  if (!place) {
    place = document.createElement('p');
    place.id = name;
    app.append(place);
  }
  place.textContent = text;
};

const link = (name: string, url: URL): void => {
  const place = (document.getElementById(name) as HTMLAnchorElement | null) ?? document.createElement('a');
  Object.assign(place, { id: name, href: url.href, textContent: name });
  app.append(place);
};

const button = (name: string, act: () => Promise<void>): void => {
  const place = document.createElement('button');
  place.textContent = name;
  place.addEventListener('click', () => void act());
  app.append(place);
};

const mode = document.documentElement.dataset['mode'] === 'bff' ? 'bff' : 'tokenExchange';

const manager: UserManager = init({ baseUrl: '/bff/', mode, autostart: true, maxJitterMs: 7000 });

const baseUrl: string = manager.baseUrl;
show('base', baseUrl);

const login: URL = manager.client.loginUrl(location.href);
const logout: URL = manager.client.logoutUrl();
link('log in', login);
link('log out', logout);
// The app's page again, whoever is or is not logged in at the provider.
const silently = manager.client.loginUrl();
silently.searchParams.set('prompt', 'none');
link('log in silently', silently);

const changes: string[] = [];
manager.subscribe(({ status }) => {
  changes.push(status);
  show('changes', changes.join(' '));
  show('status', status);
});

button('who am I', async () => {
  try {
    const { user } = await manager.getSession();
    show('user', user.email ?? 'no address');
  } catch (error) {
    show('user', isUnauthorized(error) ? 'nobody' : `cannot tell: ${String(error)}`);
  }
});

button('call the API', async () => {
  // Through the gateway, which knows the cookie.
  const response = await fetch('/api/orders');
  show('api', `${response.status} ${await response.text()}`);
});

button('call the API with a token', async () => {
  try {
    const authorization = `Bearer ${await manager.getAccessToken()}`;
    const response = await fetch('/api/orders', { headers: { authorization } });
    show('api', `${response.status} ${await response.text()}`);
  } catch (error) {
    show('api', error instanceof Error ? error.message : String(error));
  }
});

button('fetch the token', async () => {
  // As the original's own client did, without any header of ours.
  const response = await fetch(`${baseUrl}/token`);
  show('token', `${response.status} ${await response.text()}`);
});

button('look again', async () => {
  const { status, error } = await manager.check();
  show('status', status);
  show('error', error ? `${isUnauthorized(error)} ${error.code}` : 'none');
});

// The original asks for it, whatever `autostart` says.
const { status } = await manager.start();
show('started', status);
show('status', status);
