import './style.css';

import { AuthtoolProvider } from '@authtool/client/solid';
import { render } from 'solid-js/web';

import { App } from './app.jsx';

render(
  () => (
    <AuthtoolProvider baseUrl="/bff">
      <App />
    </AuthtoolProvider>
  ),
  document.getElementById('app'),
);
