import { serve } from '@hono/node-server';
import pg from 'pg';
import { Troupe } from 'troupe';
import { postgresStore } from 'troupe/postgres';
import { makeApp } from './app.js';
import { readSettings } from './settings.js';
import { makeTools } from './tools.js';
import { startTracing } from './tracing.js';

const settings = readSettings(process.env);
const { tracing, stop } = startTracing(settings.OTEL_EXPORTER_OTLP_ENDPOINT);
const pool = new pg.Pool({
  connectionString: settings.DATABASE_URL,
  max: 20,
  connectionTimeoutMillis: 3000,
});
// An idle connection that breaks is replaced; it is no reason to end.
pool.on('error', (error) => console.error(`postgres: ${error.message}`));

const troupe = new Troupe({
  tools: makeTools(settings),
  store: postgresStore(pool),
  leaseMs: settings.LEASE_MS,
  maxRuns: settings.MAX_RUNS,
  pools: { model: { size: settings.MODEL_CALLS, queueLimit: settings.MODEL_QUEUE } },
  reliability: {
    maxRetries: 4,
    initialDelayMs: 200,
    maxDelayMs: 20_000,
    breaker: {
      window: { kind: 'time', ms: 30_000 },
      failures: { ratio: 0.5, minimumCalls: 50 },
      openMs: 10_000,
    },
    // The model may fail a call in five, and be retried: more than that is an outage.
    retryBudget: { tokens: 100, ratio: 0.3 },
  },
  ...(tracing ? { tracing } : {}),
});
await troupe.ready;

const app = makeApp(troupe, pool, settings);
const server = serve({ fetch: app.fetch, port: settings.PORT, hostname: settings.HOST }, ({ port }) =>
  console.log(`listening on http://${settings.HOST}:${port}`),
);

let isStopping = false;
async function shutDown() {
  // A second signal does not wait.
  if (isStopping) process.exit(1);
  isStopping = true;
  // New runs get 503, those in flight have `GRACE_MS`, their streams end with them.
  await troupe.close({ graceMs: settings.GRACE_MS });
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections?.();
  });
  await pool.end();
  await stop();
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void shutDown());
