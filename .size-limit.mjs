// What a door weighs when it is bundled, minified and compressed (brotli): `npm run size`.
const modifyEsbuildConfig = (config) => ({ ...config, format: 'esm', logLevel: 'error' });
const dependencies = ['xstate', 'zod', 'p-limit', '@xstate/graph'];

const door = (name, path, limit, ignore = []) => ({
  name,
  path,
  limit,
  ignore: [...ignore, 'node:*'],
  modifyEsbuildConfig,
});

/** What a door adds to `troupe`, whose code it shares. */
const added = (name, limit) => ({
  name: `${name}, beside troupe`,
  path: `dist/${name.slice(7)}.js`,
  limit,
  esbuild: false,
});

export default [
  door('troupe, its own code', 'dist/index.js', '65 kB', dependencies),
  door('troupe, with what it imports', 'dist/index.js', '112 kB'),
  door('troupe/machines, its own code', 'dist/machines.js', '9 kB', dependencies),
  door('troupe/inspect, its own code', 'dist/inspect.js', '25 kB', [
    ...dependencies,
    'elkjs',
    '@statelyai/inspect',
    'ws',
  ]),
  door('the viewer’s page', 'dist/viewer-page.js', '18 kB'),
  added('troupe/sqlite', '3 kB'),
  added('troupe/postgres', '3 kB'),
  added('troupe/http', '7 kB'),
  added('troupe/ai-sdk', '10 kB'),
  added('troupe/mcp', '12 kB'),
  added('troupe/otel', '8 kB'),
  door('troupe/testing, its own code', 'dist/testing.js', '123 kB', dependencies),
];
