// The programs of a site that a test starts by itself: the real provider, and whatever else stands around the server.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Built beside the task that runs us, or in the usual place. */
export const SERVER = join(process.env.AUTHTOOL_XTASK === undefined ? join(ROOT, 'target/debug') : dirname(process.env.AUTHTOOL_XTASK), 'authtool-bff');

const PATIENCE = 60_000;

/** Resolves once `condition` holds. */
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whether there is an answer that is no server's error. */
export const answers = (url) => fetch(url, { redirect: 'manual' }).then((response) => response.status < 500, () => false);

/** What a test has started, and ends in reverse. */
export class Programs {
  #started = [];

  /** Starts a program whose output is kept for when it is missed. */
  start(program, parameters, options = {}) {
    const child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    child.stdout.resume();
    const said = [];
    child.stderr.on('data', (chunk) => said.push(chunk));
    child.once('error', (error) => said.push(`${error.message}\n`));
    const started = {
      child,
      said: () => said.join(''),
      stop: () => end(child),
      /** Resolves once `condition` holds, and fails as soon as the program ends. */
      until: (what, condition) =>
        until(what, async () => {
          if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${program} ended: ${said.join('')}`);
          return condition();
        }),
    };
    this.#started.push(started.stop);
    return started;
  }

  /** Starts the real OpenID Provider, and resolves once it is ready. */
  async provider(parameters, environment = {}) {
    const provider = this.start(process.execPath, ['provider.mjs', ...parameters, '--exit-with-parent'], {
      cwd: join(ROOT, 'tests/provider'),
      env: { ...process.env, ...environment },
    });
    let isReady = false;
    createInterface({ input: provider.child.stdout }).on('line', (line) => {
      isReady ||= line.startsWith('ready ');
    });
    await provider.until('the provider is ready', () => isReady);
    return provider;
  }

  /** Starts the server with the configuration in this file, and resolves once it is ready. */
  async server(file, internalPort, options = {}) {
    const server = this.start(SERVER, ['--config', file], options);
    await server.until(`the server is ready: ${SERVER}`, () =>
      fetch(`http://127.0.0.1:${internalPort}/-/ready`).then((response) => response.ok, () => false),
    );
    return server;
  }

  /** Listens on a port of loopback, a free one unless it is named, and resolves with it. */
  async listen(handler, port = 0) {
    const server = createServer(handler);
    await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.#started.push(
      () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(resolve);
        }),
    );
    return server.address().port;
  }

  async stop() {
    for (const stop of this.#started.splice(0).reverse()) await stop();
  }
}

async function end(child) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
