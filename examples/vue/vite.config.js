import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [vue()],
  // Only because the package is a link into this repository: an installed one finds the app's Vue by itself.
  resolve: { dedupe: ['vue'] },
  build: { target: 'es2022', modulePreload: false },
});
