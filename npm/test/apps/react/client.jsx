import { version } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { scenarios } from './scenarios.jsx';

const Scenario = scenarios[new URLSearchParams(location.search).get('scenario')];
const root = document.getElementById('root');
const onRecoverableError = (error) => window.records.recovered.push(String(error));

window.version = version;
window.begin = () => {
  if (root.firstChild) hydrateRoot(root, <Scenario />, { onRecoverableError });
  else createRoot(root).render(<Scenario />);
};
if (!location.search.includes('later')) window.begin();
