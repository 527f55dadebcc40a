import { resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'electron-vite';

// Everything is bundled but what holds native code or WebAssembly: a smaller start, and one file to read per entry.
const external = ['electron', 'better-sqlite3', /^@cedar-policy\/cedar-wasm/];
const here = (path: string) => resolve(import.meta.dirname, path);

export default defineConfig({
  main: {
    build: {
      externalizeDeps: false,
      outDir: 'out/main',
      target: 'node20',
      rollupOptions: {
        external,
        input: {
          index: here('main/index.ts'),
          headless: here('main/headless.ts'),
          bridge: here('main/bridge.ts'),
          worker: here('main/worker.ts'),
          admin: here('main/admin/index.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunk-[name].js' },
      },
    },
  },
  preload: {
    build: {
      externalizeDeps: false,
      outDir: 'out/preload',
      rollupOptions: {
        external: ['electron'],
        input: { index: here('preload/index.ts') },
        // A sandboxed preload is loaded as CommonJS.
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: here('renderer'),
    // The same files are served by the app's own protocol and under /console/.
    base: './',
    plugins: [react()],
    build: {
      // One small file: the polyfill would only add a script for engines this never runs in.
      modulePreload: { polyfill: false },
      outDir: here('out/renderer'),
      emptyOutDir: true,
      // The console and the app forbid inline scripts and data: fonts alike.
      assetsInlineLimit: 0,
      rollupOptions: { input: { index: here('renderer/index.html') } },
    },
  },
});
