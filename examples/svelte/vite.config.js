import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  // Only because the package is a link into this repository: an installed one finds the app's Svelte by itself.
  resolve: { dedupe: ['svelte'] },
  build: { target: 'es2022', modulePreload: false },
});
