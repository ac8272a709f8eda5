// Starts the demo, runs the tests against it, and ends it whatever happens.
//
//   node run.mjs                    every test
//   node run.mjs tabs.test.mjs      one file
//   AUTHTOOL_DEMO_URL=http://localhost:3000 node run.mjs   against a demo that runs already
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { startDemo } from './demo.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const named = process.argv.slice(2);
const files = named.length > 0 ? named : (await readdir(here)).filter((name) => name.endsWith('.test.mjs')).sort();

const running = process.env.AUTHTOOL_DEMO_URL;
const demo = running === undefined ? await startDemo() : { url: running, stop: async () => {} };

const tests = spawn(
  process.execPath,
  // One file after the other: all of them use the one demo, and two browsers at once on a small
  // machine only make each other slow.
  ['--test', '--test-concurrency=1', '--test-reporter=spec', '--test-timeout=120000', ...files],
  { cwd: here, stdio: 'inherit', env: { ...process.env, AUTHTOOL_DEMO_URL: demo.url } },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => tests.kill(signal));
const code = await new Promise((resolve) => tests.once('exit', (status) => resolve(status ?? 1)));
await demo.stop();
process.exit(code);
