import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    machines: 'src/machines/index.ts',
    testing: 'src/testing/index.ts',
  },
  format: 'esm',
  target: 'node20',
  dts: true,
  splitting: true,
  clean: true,
});
