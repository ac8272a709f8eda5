import wasm from './core/bytes.js';
import { Core, imports, setExports } from './core/glue.js';

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

const instantiate = (): WebAssembly.Exports => {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(bytesOf(wasm)), imports).exports;
  } catch (cause) {
    // Browsers' own words for it suggest 'unsafe-eval', which permits far more than is needed.
    throw new Error("authtool: WebAssembly cannot run here; a Content-Security-Policy needs script-src 'wasm-unsafe-eval'", { cause });
  }
};

let ready = false;

/** A core. The first one compiles the WebAssembly, which is short enough to be done at once. */
export const createCore = (baseUrl: string, observer: object): Core => {
  if (!ready) {
    setExports(instantiate());
    ready = true;
  }
  return new Core(baseUrl, observer);
};
