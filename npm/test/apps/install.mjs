// Puts the package, as `npm pack` makes it, into the apps of this folder, beside what their lock files name.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const npm = fileURLToPath(new URL('../../', import.meta.url));

/** `npm ci`, unless it was done for this very lock file. */
function installDependencies(folder) {
  const lock = readFileSync(join(folder, 'package-lock.json'));
  const stamp = join(folder, 'node_modules/.installed-package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp).equals(lock)) return;
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
  writeFileSync(stamp, lock);
}

/** The tarball of the package as it is built now, in a new folder. */
export function pack() {
  const folder = mkdtempSync(join(tmpdir(), 'authtool-pack-'));
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: npm, encoding: 'utf8' });
  return join(folder, JSON.parse(output)[0].filename);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tarball = pack();
  for (const app of process.argv.slice(2)) {
    const folder = join(here, app);
    installDependencies(folder);
    // Not by npm: the tarball's hash would have to be in the lock file.
    const place = join(folder, 'node_modules/@authtool/client');
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
    execFileSync('tar', ['--extract', '--gzip', '--file', tarball, '--directory', place, '--strip-components=1']);
  }
  rmSync(join(tarball, '..'), { recursive: true });
}
