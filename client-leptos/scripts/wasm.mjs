// From a Rust package to what a browser loads: cargo build → wasm-bindgen → wasm-opt. Nothing is downloaded.
//
// Environment: WASM_BINDGEN (the command; default: from PATH), CARGO, CARGO_TARGET_DIR.
import { execFileSync } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const workspace = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const target = resolve(workspace, process.env.CARGO_TARGET_DIR ?? 'target');

// Named one by one: with all features, binaryen writes an import encoding that browsers refuse.
const WASM_FEATURES = ['bulk-memory', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue'];

function run(command, args) {
  try {
    execFileSync(command, args, { cwd: workspace, stdio: 'inherit' });
  } catch (error) {
    const why = error.code === 'ENOENT' ? 'was not found; install it, or name it in the environment' : 'failed';
    console.error(`error: ${command} ${args.join(' ')}: ${why}`);
    process.exit(1);
  }
}

/** Builds `what` (arguments of `cargo build`) and puts `app.js` and `app_bg.wasm` into `folder`. `file` is cargo's name for the module. */
export function buildWasm(what, file, folder) {
  run(process.env.CARGO || 'cargo', ['build', '--quiet', '--profile', 'wasm', '--target', 'wasm32-unknown-unknown', ...what]);
  rmSync(folder, { recursive: true, force: true });
  run(process.env.WASM_BINDGEN || 'wasm-bindgen', [
    '--target', 'web', '--no-typescript', '--remove-name-section', '--remove-producers-section',
    '--out-dir', folder, '--out-name', 'app',
    join(target, 'wasm32-unknown-unknown/wasm', file),
  ]);
  const module = join(folder, 'app_bg.wasm');
  run(process.execPath, [
    join(workspace, 'npm/node_modules/binaryen/bin/wasm-opt'),
    ...WASM_FEATURES.map((feature) => `--enable-${feature}`),
    '-Oz', '--strip-debug', '--strip-producers', '--strip-target-features', '-o', `${module}.opt`, module,
  ]);
  renameSync(`${module}.opt`, module);
}
