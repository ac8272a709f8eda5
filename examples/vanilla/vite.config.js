import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    target: 'es2022',
    // Files rather than data: URLs, which a strict content security policy refuses.
    assetsInlineLimit: 0,
    // The one chunk has nothing to preload.
    modulePreload: false,
  },
});
