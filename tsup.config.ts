import { defineConfig } from 'tsup';

export default defineConfig(({ dts }) => ({
  entry: {
    index: 'src/index.ts',
    machines: 'src/machines/index.ts',
    testing: 'src/testing/index.ts',
    inspect: 'src/inspect/index.ts',
    cli: 'src/cli/main.ts',
    'verify-child': 'src/cli/verify-child.ts',
  },
  format: 'esm',
  target: 'node20',
  dts: true,
  splitting: true,
  // A build without types (for `npm start`) must not take away the types of the build before.
  clean: dts !== false,
  // `node:test` has no other name.
  removeNodeProtocol: false,
}));
