import { InvalidOptionsError, StoreError } from '../../index.js';
import type { Claim, ClaimRequest, JsonValue, Store } from '../../index.js';
import { checkNumbers } from '../options.js';
import {
  asText,
  CLAIM_TRIES,
  claimOf,
  idOf,
  LAPSED_MS,
  SWEEP_EVERY_MS,
  SWEEP_SIZE,
  TTL_MS,
  type Row,
} from '../record.js';
import { checkPool, guardPool, query, unguardPool, type PostgresPool } from './connection.js';
import { postgresMigration } from './migration.js';

export interface PostgresStoreOptions {
  /** How long an answer is kept, in milliseconds. Default 86400000 (a day). */
  ttlMs?: number;
  /**
   * Whether the store makes its tables at its first use. False: {@link postgresMigration} was run before, and the store
   * needs no right to make tables. Default true.
   */
  migrate?: boolean;
}

/**
 * Idempotency records and breakers in Postgres, shared by the processes of any number of machines. The tables are in the
 * first schema of the connections' search path.
 *
 * @param pool a `Pool` of the package `pg`. It stays yours: closing the store does not end it.
 * @throws {InvalidOptionsError} for what is no pool, and for options that are not usable.
 */
export function postgresStore(pool: PostgresPool, options: PostgresStoreOptions = {}): Store {
  checkPool(pool);
  checkNumbers('postgresStore', options, ['ttlMs', 'migrate']);
  const { ttlMs = TTL_MS, migrate = true } = options;
  if (typeof migrate !== 'boolean') {
    throw new InvalidOptionsError(
      `Option \`migrate\` of postgresStore() must be true or false, got ${String(migrate)}.`,
    );
  }
  return new PostgresStore(pool, ttlMs, migrate);
}

/**
 * Claims, and reads the record as it was before: most claims are answered by one round trip. Who waits for another that
 * claims the same key sees the outcome, and may find a record that is not in its own view of the table yet.
 */
const CLAIM = `
with claimed as (
  insert into troupe_runs as r (id, key, fingerprint, owner, lease_until) values ($1, $2, $3, $4, $5)
  on conflict (id) do update set fingerprint = excluded.fingerprint, owner = excluded.owner,
    lease_until = excluded.lease_until, output = null, kept_until = null
  where case when r.output is null then r.lease_until <= $6 or r.owner = excluded.owner else r.kept_until <= $6 end
  returning true as won
)
select claimed.won, r.fingerprint, r.owner, r.lease_until, r.output, r.kept_until
from (select 1) as one left join claimed on true
left join troupe_runs r on r.id = $1 and claimed.won is null`;
const RENEW = 'update troupe_runs set lease_until = $3 where id = $1 and owner = $2 and output is null';
/** Who stored an answer may store it again: the first try may have been carried out over a connection that was lost. */
const COMPLETE =
  'update troupe_runs set output = $3, kept_until = $4 where id = $1 and owner = $2 and (output is null or output = $3)';
const RELEASE = 'delete from troupe_runs where id = $1 and owner = $2 and output is null';
/** The condition twice: a record that is claimed between the search and its removal is looked at once more, and stays. */
const SWEEP = `
delete from troupe_runs where id in (
  select id from troupe_runs where output is not null and kept_until <= $1 union all
  select id from troupe_runs where output is null and lease_until <= $2 limit ${SWEEP_SIZE})
and case when output is null then lease_until <= $2 else kept_until <= $1 end`;
const SAVE_BREAKER = `
insert into troupe_breakers (provider, snapshot, saved_at) values ($1, $2, $3)
on conflict (provider) do update set snapshot = excluded.snapshot, saved_at = excluded.saved_at`;

class PostgresStore implements Store {
  private migrated: Promise<unknown> | undefined;
  private sweptAt = -Infinity;
  private isClosed = false;

  constructor(
    private readonly pool: PostgresPool,
    private readonly ttlMs: number,
    migrate: boolean,
  ) {
    if (!migrate) this.migrated = Promise.resolve();
    guardPool(pool);
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    const { key, fingerprint, owner, leaseMs, now } = request;
    this.sweep(now);
    const values = [idOf(key), asText(key), asText(fingerprint), asText(owner), now + leaseMs, now];
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      const { rows } = await this.query(CLAIM, values);
      const row = rows[0] as { won: true } | ({ won: null } & Row);
      if (row.won) return { kind: 'won' };
      const claim = claimOf(row.fingerprint === null ? undefined : row, request);
      if (claim) return claim;
    }
    throw new StoreError('The record of the key changed at every try.');
  }

  async renew(claim: { key: string; owner: string; leaseMs: number; now: number }): Promise<boolean> {
    const { key, owner, leaseMs, now } = claim;
    const { rowCount } = await this.query(RENEW, [idOf(key), asText(owner), now + leaseMs]);
    return rowCount === 1;
  }

  async complete(answer: { key: string; owner: string; output: JsonValue; now: number }): Promise<boolean> {
    const { key, owner, output, now } = answer;
    const values = [idOf(key), asText(owner), JSON.stringify(output), now + this.ttlMs];
    const { rowCount } = await this.query(COMPLETE, values);
    return rowCount === 1;
  }

  async release({ key, owner }: { key: string; owner: string }): Promise<void> {
    await this.query(RELEASE, [idOf(key), asText(owner)]);
  }

  async saveBreaker(breaker: { provider: string; snapshot: JsonValue; now: number }): Promise<void> {
    const { provider, snapshot, now } = breaker;
    await this.query(SAVE_BREAKER, [asText(provider), JSON.stringify(snapshot), now]);
  }

  async loadBreakers(): Promise<JsonValue[]> {
    const { rows } = await this.query('select snapshot from troupe_breakers', []);
    return (rows as { snapshot: string }[]).map(({ snapshot }) => JSON.parse(snapshot) as JsonValue);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    unguardPool(this.pool);
  }

  private async query(text: string, values: (string | number)[]) {
    await this.migrate();
    return query(this.pool, text, values);
  }

  /** Once for all who wait; after a failure anew. */
  private async migrate(): Promise<void> {
    this.migrated ??= query(this.pool, postgresMigration, []);
    try {
      await this.migrated;
    } catch (error) {
      this.migrated = undefined;
      throw error;
    }
  }

  /** In passing: who claims does not wait for it, and it is tried again when its time has come. */
  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    const swept = ({ rowCount }: { rowCount: number | null }) => {
      if (rowCount === SWEEP_SIZE) this.sweptAt = -Infinity;
    };
    this.query(SWEEP, [now, now - LAPSED_MS]).then(swept, () => {});
  }
}
