import wasm from './core/bytes.js';
import { imports, setExports } from './core/glue.js';
import { AuthtoolError } from './error.js';

/**
 * The bytes that a string of the characters U+0000 to U+00FF stands for.
 *
 * By way of base64 where the platform reads it, because both conversions are native: a loop over the characters runs
 * before the engine has compiled it, and the first request waits for it five times as long.
 */
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => {
  const { fromBase64 } = Uint8Array as { fromBase64?: (base64: string) => Uint8Array<ArrayBuffer> };
  if (fromBase64) return fromBase64(btoa(text));
  const bytes = new Uint8Array(text.length);
  // Not `Uint8Array.from` with a function: it takes five times as long again.
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
};

let loading: Promise<void> | undefined;
let ready = false;

/**
 * Compiles the WebAssembly, which is short enough to be done at once.
 *
 * @returns Nothing when that is done; a promise in a browser that compiles nothing of this length at once (Chromium
 * before 114).
 */
export const load = (): Promise<void> | undefined => {
  if (ready || loading) return loading;
  const bytes = bytesOf(wasm);
  const start = ({ exports }: WebAssembly.Instance): void => {
    setExports(exports);
    ready = true;
    loading = undefined;
  };
  try {
    start(new WebAssembly.Instance(new WebAssembly.Module(bytes), imports));
  } catch (cause) {
    // Browsers' own words for a policy that forbids it suggest 'unsafe-eval', which permits far more than is needed.
    if (!(cause instanceof RangeError)) throw new AuthtoolError('load_failed', undefined, undefined, { cause });
    loading = WebAssembly.instantiate(bytes, imports).then(({ instance }) => start(instance));
  }
  return loading;
};
