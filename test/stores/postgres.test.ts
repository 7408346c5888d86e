import pg from 'pg';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { storeContract } from '../../src/testing/index.js';
import { postgresStore } from '../../src/stores/postgres/index.js';
import { hasPostgres, startPostgres, type PostgresServer } from './postgres-server.js';

describe.skipIf(!hasPostgres)('postgresStore', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  beforeAll(async () => {
    server = await startPostgres();
    pool = new pg.Pool({ connectionString: server.url });
  }, 60_000);
  afterAll(async () => {
    await pool.end();
    server.remove();
  });

  storeContract(async ({ ttlMs }) => {
    await pool.query('drop table if exists troupe_runs, troupe_breakers, troupe_migrations');
    return postgresStore(pool, { ttlMs });
  }, it);
});
