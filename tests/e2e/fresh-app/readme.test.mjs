// A new React app, made by following the npm package's README and nothing else, logs in at the real provider.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { pack } from '../../../npm/test/apps/install.mjs';
import { browserTests } from '../browser.mjs';
import { startDemo } from '../demo.mjs';

const inBrowser = browserTests();
const README = fileURLToPath(new URL('../../../npm/README.md', import.meta.url));

/** What `npm create vite@latest -- --template react-ts` makes, without the pictures. */
const TEMPLATE = {
  'package.json': `{
    "name": "fresh", "private": true, "type": "module",
    "dependencies": { "react": "19.3.1", "react-dom": "19.3.1" },
    "devDependencies": {
      "@types/react": "19.3.0", "@types/react-dom": "19.3.0", "@vitejs/plugin-react": "6.3.0", "typescript": "5.9.3", "vite": "8.3.8"
    }
  }`,
  'index.html': `<!doctype html>
<html lang="en">
  <head><meta charset="UTF-8" /><title>fresh</title></head>
  <body><div id="root"></div><script type="module" src="/src/main.tsx"></script></body>
</html>`,
  'vite.config.ts': `import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'
export default defineConfig({ plugins: [react()] })`,
  'tsconfig.json': `{ "compilerOptions": {
    "target": "ES2023", "useDefineForClassFields": true, "lib": ["ES2023", "DOM", "DOM.Iterable"], "module": "ESNext",
    "types": ["vite/client"], "skipLibCheck": true, "moduleResolution": "bundler", "allowImportingTsExtensions": true,
    "verbatimModuleSyntax": true, "moduleDetection": "force", "noEmit": true, "jsx": "react-jsx", "strict": true,
    "noUnusedLocals": true, "noUnusedParameters": true, "erasableSyntaxOnly": true, "noFallthroughCasesInSwitch": true
  }, "include": ["src"] }`,
};

test('the README makes a working login in under 20 lines', inBrowser(async (context) => {
  const app = await mkdtemp(join(tmpdir(), 'authtool-fresh-'));
  const tarball = pack();
  let demo;
  try {
    const main = (await readFile(README, 'utf8')).split('```tsx\n')[1].split('```')[0];
    const lines = main.split('\n').filter((line) => line.trim() !== '');
    assert.ok(lines.length < 20, `${lines.length} lines`);

    await mkdir(join(app, 'src'));
    for (const [name, content] of Object.entries(TEMPLATE)) await writeFile(join(app, name), content);
    await writeFile(join(app, 'src/main.tsx'), main);
    const run = (command, ...parameters) =>
      promisify(execFile)(command, parameters, { cwd: app }).catch(({ message, stdout, stderr }) => assert.fail(`${message}\n${stdout}\n${stderr}`));
    await run('npm', 'install', '--no-audit', '--no-fund', tarball);
    await run('npx', 'tsc');
    await run('npx', 'vite', 'build');

    demo = await startDemo(['--root', join(app, 'dist')]);
    const page = await context.newPage();
    await page.goto(`${demo.url}/deep?link=1`);
    // Straight to the provider: the whole app requires a user.
    await page.getByLabel('Login name').fill('ada');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Hello Ada Lovelace').waitFor();
    assert.equal(page.url(), `${demo.url}/deep?link=1`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Sign out', exact: true }).waitFor();
  } finally {
    await demo?.stop();
    await rm(app, { recursive: true, force: true });
    await rm(join(tarball, '..'), { recursive: true });
  }
}));
