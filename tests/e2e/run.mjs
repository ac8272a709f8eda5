// Starts the demos, runs each one's tests against it, and ends it whatever happens.
//
//   node run.mjs                                       every test
//   node run.mjs tabs.test.mjs react-vite/orders.test.mjs   some files
//   AUTHTOOL_BROWSER=firefox node run.mjs leptos/journey.test.mjs   in one browser only
//   AUTHTOOL_DEMO_URL=http://localhost:3000 node run.mjs tabs.test.mjs   against a demo that runs already
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { startDemo } from './demo.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const allFiles = (await readdir(here, { recursive: true })).filter((name) => /^[^/]*(\/[^/]*)?\.test\.mjs$/.test(name)).sort();
const BROWSERS = process.env.AUTHTOOL_BROWSER === undefined ? ['chromium', 'firefox'] : [process.env.AUTHTOOL_BROWSER];
const named = process.argv.slice(2);
/** These need a demo of their own kind. */
const PARTICULAR = ['react-vite/expiry.test.mjs', 'react-vite/tokens.test.mjs'];
/** Whole journeys, which run in Firefox as well. What does not depend on the browser is tested in one. */
const IN_FIREFOX = ['envoy/journey.test.mjs', 'leptos/journey.test.mjs'];
const inFolder = (folder) => (file) => file.startsWith(`${folder}/`) && !PARTICULAR.includes(file);

/** What is started, and for which tests. */
const DEMOS = [
  { title: 'the vanilla example', wants: (file) => !file.includes('/'), options: [] },
  { title: 'the React example', wants: inFolder('react-vite'), options: ['--example', 'react-vite'], mode: 'bff' },
  {
    title: 'the React example with a token of its own',
    wants: (file) => inFolder('react-vite')(file) || file === 'react-vite/tokens.test.mjs',
    options: ['--example', 'react-vite', '--mode', 'tokenExchange'],
    mode: 'tokenExchange',
  },
  {
    // A quarter of a minute more than the notice that the client gives.
    title: 'sessions that end soon',
    wants: (file) => file === 'react-vite/expiry.test.mjs',
    options: ['--example', 'react-vite', '--idle-timeout', '75'],
    mode: 'bff',
  },
  ...['leptos-csr', 'leptos-ssr'].flatMap((app) =>
    ['bff', 'tokenExchange'].map((mode) => ({
      title: `the example ${app} in mode ${mode}`,
      wants: inFolder('leptos'),
      options: ['--example', app, '--mode', mode],
      mode,
      app,
    })),
  ),
  ...['bff', 'tokenExchange'].map((mode) => ({
    title: `the example envoy in mode ${mode}`,
    wants: inFolder('envoy'),
    options: ['--example', 'envoy', '--mode', mode],
    mode,
  })),
  // It builds the app that it starts a demo of.
  { title: 'an app made from the README', wants: inFolder('fresh-app') },
];

let current;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true;
    current?.kill(signal);
  });
}

function runTests(files, env) {
  current = spawn(
    process.execPath,
    // One file after the other: all of them use the one demo, and two browsers at once on a small
    // machine only make each other slow.
    ['--test', '--test-concurrency=1', '--test-reporter=spec', '--test-timeout=120000', ...files],
    { cwd: here, stdio: 'inherit', env },
  );
  return new Promise((resolve) => current.once('exit', (status) => resolve(status ?? 1)));
}

let code = 0;
for (const { title, wants, options, mode, app } of DEMOS) {
  const files = (named.length > 0 ? named : allFiles).filter(wants);
  const runs = BROWSERS.map((browser) => ({ browser, files: files.filter((file) => browser === 'chromium' || IN_FIREFOX.includes(file)) }));
  if (runs.every(({ files }) => files.length === 0) || interrupted) continue;
  const running = process.env.AUTHTOOL_DEMO_URL;
  const demo = running === undefined && options !== undefined ? await startDemo(options) : { url: running, stop: async () => {} };
  for (const { browser, files } of runs) {
    if (files.length === 0 || interrupted) continue;
    console.log(`\n${title}, in ${browser}`);
    const env = {
      ...process.env,
      AUTHTOOL_BROWSER: browser,
      AUTHTOOL_DEMO_URL: demo.url,
      AUTHTOOL_DEMO_MODE: mode,
      AUTHTOOL_DEMO_APP: app,
      AUTHTOOL_DEMO_REPLICAS: demo.replicas,
    };
    for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
    code = (await runTests(files, env)) || code;
  }
  await demo.stop();
}
process.exit(code);
