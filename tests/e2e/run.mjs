// Starts the demos, runs each one's tests against it, and ends it whatever happens. Several at a time: they share nothing,
// and mostly wait for browsers.
//
//   node run.mjs                                       every test
//   node run.mjs tabs.test.mjs react-vite/orders.test.mjs   some files
//   AUTHTOOL_BROWSER=firefox node run.mjs leptos/journey.test.mjs   in one browser only
//   AUTHTOOL_DEMO_URL=http://localhost:3000 node run.mjs tabs.test.mjs   against a demo that runs already
//   AUTHTOOL_AT_A_TIME=1 node run.mjs                  one after the other
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { startDemo } from './demo.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const allFiles = (await readdir(here, { recursive: true })).filter((name) => /^[^/]*(\/[^/]*)?\.test\.mjs$/.test(name)).sort();
const BROWSERS = process.env.AUTHTOOL_BROWSER === undefined ? ['chromium', 'firefox'] : [process.env.AUTHTOOL_BROWSER];
const named = process.argv.slice(2);
/** Runs at a time. Those in which somebody waits for a token or a session to end leave room for others. */
const AT_A_TIME = Number(process.env.AUTHTOOL_AT_A_TIME ?? Math.min(availableParallelism() + 1, 4));
/** These need a demo of their own kind. */
const PARTICULAR = ['react-vite/expiry.test.mjs', 'react-vite/tokens.test.mjs'];
/** Whole journeys, which run in Firefox as well. What does not depend on the browser is tested in one. */
const IN_FIREFOX = ['envoy/journey.test.mjs', 'leptos/journey.test.mjs', 'nginx/whole-site.test.mjs', 'original/journey.test.mjs'];
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
  // It starts what it needs.
  { title: 'a whole site behind nginx', wants: inFolder('nginx') },
  { title: "the original's configuration, gateway and app", wants: inFolder('original') },
  // It builds the app that it starts a demo of.
  { title: 'an app made from the README', wants: inFolder('fresh-app') },
];

/** The children that run now, so that an interruption reaches them. */
const running = new Set();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
  });
}

/** Runs the tests of these files, and resolves with their exit code. What they print is `report`ed. */
function runTests(files, env, report) {
  const child = spawn(
    process.execPath,
    // One file after the other: all of them use the one demo. The limit is for what hangs where nothing else gives up.
    ['--test', '--test-concurrency=1', '--test-reporter=spec', '--test-timeout=600000', ...files],
    { cwd: here, stdio: ['ignore', 'pipe', 'pipe'], env },
  );
  running.add(child);
  child.stdout.on('data', report);
  child.stderr.on('data', report);
  return new Promise((resolve) =>
    child.once('close', (status) => {
      running.delete(child);
      resolve(status ?? 1);
    }),
  );
}

/** What is to be run: each with a demo of its own, those that wait longest first. */
const runs = DEMOS.flatMap(({ title, wants, options, mode, app }) =>
  BROWSERS.map((browser) => ({
    title: `${title}, in ${browser}`,
    files: (named.length > 0 ? named : allFiles).filter(wants).filter((file) => browser === 'chromium' || IN_FIREFOX.includes(file)),
    browser,
    options,
    mode,
    app,
  })),
).filter(({ files }) => files.length > 0);

/** Runs one, and prints all that it said in one piece. */
async function perform({ title, files, browser, options, mode, app }, slot) {
  const started = Date.now();
  const chunks = [];
  const report = (chunk) => chunks.push(chunk);
  const url = process.env.AUTHTOOL_DEMO_URL;
  let demo;
  let status = 1;
  try {
    demo = url === undefined && options !== undefined ? await startDemo(options, { slot, report }) : { url, stop: async () => {} };
    const env = {
      ...process.env,
      AUTHTOOL_BROWSER: browser,
      AUTHTOOL_DEMO_URL: demo.url,
      AUTHTOOL_DEMO_MODE: mode,
      AUTHTOOL_DEMO_APP: app,
      AUTHTOOL_DEMO_REPLICAS: demo.replicas,
      AUTHTOOL_DEMO_SLOT: slot,
    };
    for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
    status = await runTests(files, env, report);
  } catch (error) {
    report(`${error.stack}\n`);
  }
  await demo?.stop();
  console.log(`\n${title}\n${Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))).toString().trimEnd()}`);
  return { title, status, seconds: Math.round((Date.now() - started) / 1000) };
}

const outcomes = [];
const waiting = [...runs];
await Promise.all(
  Array.from({ length: AT_A_TIME }, async (_, slot) => {
    while (waiting.length > 0 && !interrupted) outcomes.push(await perform(waiting.shift(), slot));
  }),
);
// Last, where it is seen: how each went.
console.log('');
for (const { title, status, seconds } of outcomes) console.log(`${status === 0 ? 'passed' : 'FAILED'}  ${String(seconds).padStart(4)} s  ${title}`);
const failed = outcomes.filter(({ status }) => status !== 0).length;
console.log(`\n${outcomes.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 || interrupted ? 1 : 0);
