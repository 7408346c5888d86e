import { Hono } from 'hono';
import { createHandler } from 'troupe/http';
import { callersOf } from './callers.js';

/**
 * The routes: runs below `/v1`, and what an orchestrator of containers asks for.
 *
 * @param {import('troupe').Troupe<any>} troupe
 * @param {import('pg').Pool} pool
 * @param {ReturnType<typeof import('./settings.js').readSettings>} settings
 */
export function makeApp(troupe, pool, settings) {
  const app = new Hono();
  const handler = createHandler(troupe, {
    basePath: '/v1',
    authorize: callersOf(settings.API_KEYS),
    run: { timeoutMs: settings.RUN_TIMEOUT_MS, budget: { costUsd: settings.RUN_COST_USD } },
    maxRunsPerCaller: settings.MAX_RUNS_PER_CALLER,
    maxStreamsPerCaller: settings.MAX_RUNS_PER_CALLER,
    maxKept: 5000,
  });
  app.all('/v1/*', (context) => handler(context.req.raw));

  // The process is alive: whatever its providers do, starting it anew would not help.
  app.get('/healthz', (context) => context.json({ status: 'ok', runs: troupe.activeRuns }));

  // It can take runs: not while it is closing, nor without its database. An open breaker is told, and no reason to
  // send the traffic elsewhere: the other instances have the same provider.
  app.get('/readyz', async (context) => {
    const database = await answers(pool);
    const providers = Object.values(troupe.listProviders());
    const open = providers.filter(({ breaker }) => breaker !== 'closed');
    const isReady = database && !troupe.isClosed;
    return context.json(
      {
        status: isReady ? (open.length > 0 ? 'degraded' : 'ready') : 'unavailable',
        database,
        closing: troupe.isClosed,
        breakers: Object.fromEntries(
          open.map(({ provider, breaker, openUntil }) => [provider, { state: breaker, openUntil }]),
        ),
        pools: Object.fromEntries(
          providers.flatMap(({ provider, pool }) => (pool ? [[provider, pool]] : [])),
        ),
      },
      isReady ? 200 : 503,
    );
  });
  return app;
}

/** @param {import('pg').Pool} pool */
async function answers(pool) {
  try {
    await pool.query('select 1');
    return true;
  } catch {
    return false;
  }
}
