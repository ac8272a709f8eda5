// The few commands of WebDriver (W3C) that the tests in Firefox need: Playwright drives only a Firefox of its own.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

/** Not one that the kernel chooses: it could become a connection's before geckodriver listens. */
async function freePort() {
  for (;;) {
    const port = 16_000 + Math.floor(Math.random() * 4_000);
    const isFree = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** Firefox, by geckodriver. GECKODRIVER names it. */
export async function openFirefox() {
  const port = await freePort();
  const program = process.env.GECKODRIVER || 'geckodriver';
  const driver = spawn(program, ['--port', String(port), '--websocket-port', String(await freePort())], { stdio: ['ignore', 'ignore', 'inherit'] });
  const gone = new Promise((_, reject) => {
    driver.once('error', (cause) => reject(new Error(`${program} cannot be run; install it with: cargo install geckodriver`, { cause })));
    driver.once('exit', (code) => reject(new Error(`${program} ended with code ${code}`)));
  });
  gone.catch(() => {});

  const command = async (method, path, body) => {
    const request = fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) });
    const { value } = await (await Promise.race([request, gone])).json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  const isReady = () => command('GET', '/status').then(({ ready }) => ready, () => false);
  for (const deadline = Date.now() + 60_000; !(await isReady()); ) {
    if (Date.now() > deadline) throw new Error(`${program} does not get ready`);
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 50)), gone]);
  }
  const { sessionId } = await command('POST', '/session', {
    capabilities: { alwaysMatch: { browserName: 'firefox', 'moz:firefoxOptions': { args: ['-headless'] }, timeouts: { script: 60_000 } } },
  });
  const session = `/session/${sessionId}`;
  return {
    goto: (url) => command('POST', `${session}/url`, { url }),
    back: () => command('POST', `${session}/back`, {}),
    /** Runs a function in the page and waits for what it returns. A click stands behind nothing that it does. */
    evaluate: (body, ...args) =>
      command('POST', `${session}/execute/async`, {
        script: `const [...args] = arguments; const done = args.pop();
          Promise.resolve().then(() => (${body})(...args)).then((value) => done({ value }), (error) => done({ error: String(error) }));`,
        args,
      }).then((result) => {
        if (result.error) throw new Error(result.error);
        return result.value;
      }),
    async newTab() {
      const { handle } = await command('POST', `${session}/window/new`, { type: 'tab' });
      return handle;
    },
    tab: () => command('GET', `${session}/window`),
    switchTo: (handle) => command('POST', `${session}/window`, { handle }),
    async close() {
      driver.removeAllListeners('exit');
      await command('DELETE', session).catch(() => {});
      driver.kill();
    },
  };
}
