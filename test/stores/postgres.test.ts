import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineTool, Orchestrator, Troupe, type TroupeEvent } from '../../src/index.js';
import { storeContract } from '../../src/testing/index.js';
import { postgresMigration, postgresStore } from '../../src/stores/postgres/index.js';
import { quiet } from '../hostile/harness.js';
import { hasPostgres, startPostgres, type PostgresServer } from '../../scripts/postgres-server.mjs';

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

  const clear = () => pool.query('drop table if exists troupe_runs, troupe_breakers, troupe_migrations');
  const claim = (owner: string, now = 0, key = 'k') => ({ key, fingerprint: 'f', owner, leaseMs: 1000, now });

  storeContract(async ({ ttlMs }) => {
    await clear();
    return postgresStore(pool, { ttlMs });
  }, it);

  it('makes its tables once, however many begin at once', async () => {
    await clear();
    const stores = Array.from({ length: 20 }, () => postgresStore(pool));
    const claims = await Promise.all(stores.map((store, index) => store.claim(claim(`owner ${index}`))));
    expect(claims.filter(({ kind }) => kind === 'won')).toHaveLength(1);
  });

  it('needs no right to make tables, when told that they are there', async () => {
    await clear();
    const store = postgresStore(pool, { migrate: false });
    await expect(store.claim(claim('a'))).rejects.toThrow('"troupe_runs" does not exist');
    await pool.query(postgresMigration);
    await pool.query(postgresMigration);
    expect((await store.claim(claim('a'))).kind).toBe('won');
  });

  it('refuses tables that a newer Troupe has made', async () => {
    await clear();
    await pool.query(postgresMigration);
    await pool.query('insert into troupe_migrations (version) values (99)');
    await expect(postgresStore(pool).claim(claim('a'))).rejects.toThrow(
      'made by a newer Troupe (version 99)',
    );
    await clear();
  });

  it('removes what has expired', async () => {
    await clear();
    const store = postgresStore(pool, { ttlMs: 1000 });
    await store.claim(claim('a', 0, 'answered'));
    await store.complete({ key: 'answered', owner: 'a', output: 1, now: 0 });
    await store.claim(claim('a', 0, 'held'));
    const keys = async () =>
      (await pool.query('select key from troupe_runs order by key')).rows.map(({ key }) => key as string);
    await store.claim(claim('a', 60_000, 'later'));
    await expect.poll(keys).toEqual(['held', 'later']);
    await store.claim(claim('a', 3_601_000, 'still later'));
    await expect.poll(keys).toEqual(['later', 'still later']);
  });

  it('removes at each claim what is left, until nothing is', async () => {
    await clear();
    const store = postgresStore(pool, { ttlMs: 1000 });
    await store.claim(claim('a', 0, 'first'));
    await pool.query(
      `insert into troupe_runs (id, key, fingerprint, owner, lease_until, output, kept_until)
       select n::text, n::text, 'f', 'a', 0, '1', 0 from generate_series(1, 2500) as n`,
    );
    const count = async () => Number((await pool.query('select count(*) as n from troupe_runs')).rows[0].n);
    for (const [now, left] of [
      [60_000, 1502],
      [60_001, 502],
      [60_002, 2],
    ] as const) {
      await store.claim(claim('a', now, 'next'));
      await expect.poll(count).toBe(left);
    }
  });

  it('removes no record that is claimed while it looks for what has expired', async () => {
    await clear();
    const store = postgresStore(pool, { ttlMs: 1000 });
    await store.claim(claim('a'));
    await store.complete({ key: 'k', owner: 'a', output: 1, now: 0 });
    const other = await pool.connect();
    await other.query('begin');
    // As another process claims the key whose answer has expired.
    await other.query(
      "update troupe_runs set owner = 'b', lease_until = 61000, output = null, kept_until = null where key = 'k'",
    );
    await store.claim(claim('c', 60_000, 'later'));
    const activity = async (where: string) =>
      Number((await pool.query(`select count(*) as n from pg_stat_activity where ${where}`)).rows[0].n);
    const sweeping =
      "state = 'active' and query like '%delete from troupe_runs where id in%' and pid <> pg_backend_pid()";
    await expect.poll(() => activity(`${sweeping} and wait_event_type = 'Lock'`)).toBe(1);
    await other.query('commit');
    other.release();
    await expect.poll(() => activity(sweeping)).toBe(0);
    expect((await store.claim(claim('d', 60_500))).kind).toBe('held');
  });

  it('stores once an answer that it sends twice, as over a connection that broke', async () => {
    await clear();
    const store = postgresStore(pool);
    await store.claim(claim('a'));
    const answer = { key: 'k', owner: 'a', output: { n: 1 }, now: 1 };
    expect([await store.complete(answer), await store.complete(answer)]).toEqual([true, true]);
    expect(await store.complete({ ...answer, output: { n: 2 } })).toBe(false);
    expect(await store.claim(claim('b', 2))).toEqual({ kind: 'stored', output: { n: 1 } });
  });

  it('survives a server that is stopped: runs are refused, those under way end, and all is there afterwards', async () => {
    await clear();
    const own = new pg.Pool({ connectionString: server.url });
    const store = postgresStore(own);
    const events: TroupeEvent[] = [];
    const troupe = new Troupe({ store, logger: quiet });
    const reading = (async () => {
      for await (const event of troupe.events) events.push(event);
    })();
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const tool = defineTool({
      name: 't',
      async execute({ waits }: { waits: boolean }) {
        if (waits) await opened;
        return 'answer';
      },
    });
    const orchestrator = new Orchestrator(troupe);
    const run = (idempotencyKey: string, waits = false) =>
      orchestrator.run({ tool, request: { waits }, options: { idempotencyKey } });
    await run('before');
    const under = orchestrator.start({
      tool,
      request: { waits: true },
      options: { idempotencyKey: 'under way' },
    });
    for await (const { type } of under.events) if (type === 'tool_started') break;

    server.stop('immediate');
    await expect(run('while it is down')).rejects.toMatchObject({ code: 'store_failed' });
    open();
    const { status, metadata } = await under.output;
    expect(status).toBe('completed');
    expect(metadata.warnings).toEqual([
      expect.stringContaining('The answer was not stored: the store failed: '),
    ]);

    server.start();
    expect((await run('before')).metadata.replayed).toBe(true);
    expect((await run('while it is down')).metadata).toMatchObject({ replayed: false, warnings: [] });
    await troupe.close();
    await reading;
    expect(events.map((event) => event.type === 'store_failed' && event.operation)).toEqual([
      'claim',
      'complete',
    ]);
    await own.end();
  });

  it('does not end the process over an idle connection that breaks, and leaves the pool as it was', async () => {
    const own = new pg.Pool({ connectionString: server.url });
    const stores = [postgresStore(own), postgresStore(own)];
    await stores[0]!.loadBreakers!();
    server.stop('immediate');
    server.start();
    await stores[1]!.loadBreakers!();
    for (const store of stores) {
      await store.close!();
      await store.close!();
    }
    expect(own.listenerCount('error')).toBe(0);
    await own.end();
  });
});

describe('postgresStore', () => {
  it.each([
    [undefined, {}, 'takes a `Pool` of the package pg'],
    ['postgres://localhost', {}, 'takes a `Pool` of the package pg'],
    [new pg.Pool(), { ttlMs: -1 }, '`ttlMs`'],
    [new pg.Pool(), { migrate: 'yes' }, '`migrate`'],
    [new pg.Pool(), { schema: 'x' }, 'Unknown option `schema`'],
  ])('refuses what cannot be used (%#)', (where, options, why) => {
    expect(() => postgresStore(where as never, options as object)).toThrow(why);
  });
});
