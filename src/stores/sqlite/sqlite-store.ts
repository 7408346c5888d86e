import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
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
import { openDatabase, type Database, type Statement } from './driver.js';
import { migrate } from './migrations.js';
import { useWal } from './wal.js';

export interface SqliteStoreOptions {
  /** How long an answer is kept, in milliseconds. Default 86400000 (a day). */
  ttlMs?: number;
  /** How long a call waits, and holds up the process, while another process writes, in milliseconds. Default 5000. */
  busyTimeoutMs?: number;
}

/**
 * Idempotency records and breakers in one SQLite file, which the processes of one machine may share. Each write is on the
 * disk before the call returns (WAL, `synchronous = FULL`), and every call answers at once.
 *
 * It uses `node:sqlite` where the Node has it, else the package `libsql`.
 *
 * @param path the file; it is made if there is none. `:memory:` for a test.
 * @throws {InvalidOptionsError} for a path or an option that is not usable, and without a SQLite.
 * @throws {StoreError} when the file cannot be opened, or was written by a newer Troupe.
 */
export function sqliteStore(path: string, options: SqliteStoreOptions = {}): Store {
  if (typeof path !== 'string' || path === '') {
    throw new InvalidOptionsError(`sqliteStore() takes the path of a file, got ${String(path)}.`);
  }
  checkNumbers('sqliteStore', options, ['ttlMs', 'busyTimeoutMs']);
  const { ttlMs = TTL_MS, busyTimeoutMs = 5000 } = options;
  return new SqliteStore(open(path, busyTimeoutMs), ttlMs);
}

function open(path: string, busyTimeoutMs: number): Database {
  let database: Database | undefined;
  try {
    database = openDatabase(path);
    // SQLite takes a number beyond 32 bits for none.
    database.exec(`pragma busy_timeout = ${Math.min(Math.ceil(busyTimeoutMs), 2 ** 31 - 1)}`);
    useWal(database);
    database.exec('pragma synchronous = full');
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof InvalidOptionsError) throw error;
    const folder = dirname(path);
    const why = !existsSync(folder)
      ? `there is no folder ${folder}; make it first`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new StoreError(`sqliteStore() could not open "${path}": ${why}.`, { cause: error });
  }
}

class SqliteStore implements Store {
  private readonly claimed: Statement;
  private readonly found: Statement;
  private readonly renewed: Statement;
  private readonly completed: Statement;
  private readonly released: Statement;
  private readonly swept: Statement;
  private readonly savedBreaker: Statement;
  private readonly breakers: Statement;
  private sweptAt = -Infinity;
  private isClosed = false;

  constructor(
    private readonly database: Database,
    private readonly ttlMs: number,
  ) {
    const prepare = (sql: string) => this.guarded(database.prepare(sql));
    this.claimed = prepare(`
      insert into troupe_runs (id, key, fingerprint, owner, lease_until) values (?, ?, ?, ?, ?)
      on conflict (id) do update set fingerprint = excluded.fingerprint, owner = excluded.owner,
        lease_until = excluded.lease_until, output = null, kept_until = null
      where case when output is null then lease_until <= ? or owner = excluded.owner else kept_until <= ? end`);
    this.found = prepare(
      'select fingerprint, owner, lease_until, output, kept_until from troupe_runs where id = ?',
    );
    this.renewed = prepare(
      'update troupe_runs set lease_until = ? where id = ? and owner = ? and output is null',
    );
    this.completed = prepare(
      'update troupe_runs set output = ?, kept_until = ? where id = ? and owner = ? and output is null',
    );
    this.released = prepare('delete from troupe_runs where id = ? and owner = ? and output is null');
    this.swept = prepare(`
      delete from troupe_runs where id in (
        select id from troupe_runs where output is not null and kept_until <= ? union all
        select id from troupe_runs where output is null and lease_until <= ? limit ${SWEEP_SIZE})`);
    this.savedBreaker = prepare('insert or replace into troupe_breakers values (?, ?, ?)');
    this.breakers = prepare('select snapshot from troupe_breakers');
  }

  claim(request: ClaimRequest): Claim {
    const { key, fingerprint, owner, leaseMs, now } = request;
    this.sweep(now);
    const id = idOf(key);
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      const { changes } = this.claimed.run(
        id,
        asText(key),
        asText(fingerprint),
        asText(owner),
        now + leaseMs,
        now,
        now,
      );
      if (Number(changes) > 0) return { kind: 'won' };
      const claim = claimOf(this.found.get(id) as Row | undefined, request);
      if (claim) return claim;
    }
    throw new StoreError('The record of the key changed at every try.');
  }

  renew({ key, owner, leaseMs, now }: { key: string; owner: string; leaseMs: number; now: number }): boolean {
    return Number(this.renewed.run(now + leaseMs, idOf(key), asText(owner)).changes) > 0;
  }

  complete(answer: { key: string; owner: string; output: JsonValue; now: number }): boolean {
    const { key, owner, output, now } = answer;
    const { changes } = this.completed.run(
      JSON.stringify(output),
      now + this.ttlMs,
      idOf(key),
      asText(owner),
    );
    return Number(changes) > 0;
  }

  release({ key, owner }: { key: string; owner: string }): void {
    this.released.run(idOf(key), asText(owner));
  }

  saveBreaker({ provider, snapshot, now }: { provider: string; snapshot: JsonValue; now: number }): void {
    this.savedBreaker.run(asText(provider), JSON.stringify(snapshot), now);
  }

  loadBreakers(): JsonValue[] {
    return (this.breakers.all() as { snapshot: string }[]).map(
      ({ snapshot }) => JSON.parse(snapshot) as JsonValue,
    );
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.database.close();
  }

  /** A database that was closed is not asked: libsql would end the process. */
  private guarded(statement: Statement): Statement {
    const open = () => {
      if (this.isClosed) throw new StoreError('The store was closed.');
      return statement;
    };
    return {
      get: (...values) => open().get(...values),
      all: (...values) => open().all(...values),
      run: (...values) => open().run(...values),
    };
  }

  /** In passing: a claim is not lost over it, and it is tried again when its time has come. */
  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    try {
      if (Number(this.swept.run(now, now - LAPSED_MS).changes) === SWEEP_SIZE) this.sweptAt = -Infinity;
    } catch {
      // As where the disk is full: what is there can still be read.
    }
  }
}
