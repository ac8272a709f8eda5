import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  // Only because the package is a link into this repository: an installed one finds the app's React by itself.
  resolve: { dedupe: ['react'] },
  build: {
    // One app for each of the two ways to its APIs: see the .env files.
    outDir: mode === 'tokenExchange' ? 'dist/token-exchange' : 'dist/bff',
    target: 'es2022',
    // Files rather than data: URLs, which a strict content security policy refuses.
    assetsInlineLimit: 0,
    // The one chunk has nothing to preload.
    modulePreload: false,
  },
}));
