import solid from 'vite-plugin-solid';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [solid()],
  // Only because the package is a link into this repository: an installed one finds the app's Solid by itself.
  resolve: { dedupe: ['solid-js'] },
  build: { target: 'es2022', modulePreload: false },
});
