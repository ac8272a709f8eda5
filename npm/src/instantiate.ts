import wasm, { shift } from './core/bytes.js';
import { Core, imports, setExports } from './core/glue.js';

let ready = false;

/**
 * A core. The first one compiles the WebAssembly, which is short enough to be done at once. It is kept as a string
 * of the characters U+0000 to U+00FF, one for each byte, which was shifted so that the string compresses well.
 */
export const createCore = (baseUrl: string, observer: object): Core => {
  if (!ready) {
    const bytes = new Uint8Array(wasm.length);
    // Not `Uint8Array.from` with a function: it takes five times as long, and the first request waits for this.
    for (let index = 0; index < bytes.length; index++) bytes[index] = wasm.charCodeAt(index) - shift;
    setExports(new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports);
    ready = true;
  }
  return new Core(baseUrl, observer);
};
