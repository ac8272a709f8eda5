import { init } from '@authtool/client';
import { AuthtoolProvider, useSession } from '@authtool/client/react';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

// The core is in the bundle once, whoever asks for it.
const manager = init({ baseUrl: '/bff' });

function Status() {
  const { status, session } = useSession();
  return `${status} ${session?.user.name}`;
}

createRoot(document.getElementById('status')).render(createElement(AuthtoolProvider, { manager }, createElement(Status)));
