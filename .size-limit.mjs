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

/** What a door adds to `troupe`, whose code it shares, without its peers. */
const added = (name, limit) =>
  door(`${name}, beside troupe`, `dist/${name.slice('troupe/'.length)}.js`, limit, [
    ...dependencies,
    './chunk-*',
    'ai',
    '@opentelemetry/*',
    '@modelcontextprotocol/*',
    '@restatedev/*',
  ]);

export default [
  door('troupe, its own code', 'dist/index.js', '66 kB', dependencies),
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
  added('troupe/ai-sdk', '7 kB'),
  added('troupe/mcp', '10 kB'),
  added('troupe/otel', '5 kB'),
  added('troupe/restate', '18.5 kB'),
  door('troupe/testing, its own code', 'dist/testing.js', '123 kB', dependencies),
];
