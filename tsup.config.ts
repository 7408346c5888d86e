import { cpSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

export default defineConfig(({ dts }): Options[] => [
  {
    entry: {
      index: 'src/index.ts',
      machines: 'src/machines/index.ts',
      testing: 'src/testing/index.ts',
      inspect: 'src/inspect/index.ts',
      sqlite: 'src/stores/sqlite/index.ts',
      postgres: 'src/stores/postgres/index.ts',
      http: 'src/adapters/http/index.ts',
      'ai-sdk': 'src/adapters/ai-sdk/index.ts',
      mcp: 'src/adapters/mcp/index.ts',
      otel: 'src/adapters/otel/index.ts',
      restate: 'src/restate/index.ts',
      cli: 'src/cli/main.ts',
      'verify-child': 'src/cli/verify-child.ts',
    },
    format: 'esm',
    target: 'node20',
    dts: true,
    splitting: true,
    // A build without types (for `npm start`) must not take away the types of the build before.
    clean: dts === false ? false : ['!viewer-page.js'],
    // `node:test` has no other name.
    removeNodeProtocol: false,
    onSuccess: async () => cpSync('docs/machines/drawings', 'dist/charts', { recursive: true }),
  },
  {
    // The viewer's page: one script for browsers, with all it needs.
    entry: { 'viewer-page': 'src/inspect/page/main.tsx' },
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    noExternal: [/./],
    dts: false,
    splitting: false,
    clean: false,
    tsconfig: 'src/inspect/page/tsconfig.json',
  },
]);
