// The demo, started as a user starts it: `cargo xtask demo`.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Access tokens count as expired this many seconds after they were issued, less the server's own
 * margin of 7: so short that every longer test also crosses a refresh.
 */
const ACCESS_TOKEN_TTL = 12;

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * The first of eight free ports in a row: as many as the demo with a gateway takes. Those of each slot are its own, so that
 * demos that start at the same time do not take each other's; nor are they those of the tests in Rust (from 20 000), or those
 * that the kernel gives to connections (from 32 768).
 */
export async function freePorts(slot) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = 12_000 + 1_000 * slot + 8 * Math.floor(Math.random() * 120);
    const free = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((offset) => isFree(first + offset)));
    if (free.every(Boolean)) return first;
  }
  throw new Error('no eight free ports in a row');
}

/**
 * Resolves once the demo, with these further options, says that it is ready. `slot` tells demos apart that run at the same
 * time, and `report` gets what the demo says on standard error.
 */
export async function startDemo(further = [], { slot = Number(process.env.AUTHTOOL_DEMO_SLOT ?? 0), report = (chunk) => process.stderr.write(chunk) } = {}) {
  const port = await freePorts(slot);
  // Its own executable when `cargo xtask test` runs us: that spares asking cargo again.
  const xtask = process.env.AUTHTOOL_XTASK;
  const [program, ...start] = xtask === undefined ? ['cargo', 'xtask'] : [xtask];
  // It has also built everything then, and may still be building something else.
  const built = xtask === undefined ? [] : ['--prebuilt'];
  const options = ['demo', '--port', String(port), '--access-token-ttl', String(ACCESS_TOKEN_TTL), '--exit-with-parent', ...built, ...further];
  // The pipe to its standard input ends with us, and `--exit-with-parent` ends it then.
  const child = spawn(program, [...start, ...options], { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.on('data', report);
  const ended = new Promise((resolve) => child.once('close', resolve));

  let replicas;
  const ready = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the demo ended with exit code ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('replicas ')) replicas = line.slice('replicas '.length);
      if (line.startsWith('ready ')) resolve(line.slice('ready '.length));
    });
  });

  return {
    url: await ready,
    /** Behind a gateway: the process ids of the servers, with a space between them. */
    replicas,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
