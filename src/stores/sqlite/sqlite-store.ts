import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidOptionsError, StoreError } from '../../index.js';
import type { Awaitable, Claim, ClaimRequest, JsonValue, Store } from '../../index.js';
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
import { BLOCKING_MS, whenFree } from './busy.js';
import { openDatabase, type Database, type Statement } from './driver.js';
import { migrate } from './migrations.js';
import { useWal } from './wal.js';

export interface SqliteStoreOptions {
  /** How long an answer is kept, in milliseconds. Default 86400000 (a day). */
  ttlMs?: number;
  /** How long a call waits while other processes write, in milliseconds; the event loop goes on. Default 5000. */
  busyTimeoutMs?: number;
}

/**
 * Idempotency records and breakers in one SQLite file, which the processes of one machine may share. Each write is on the
 * disk before the call answers (WAL, `synchronous = FULL`). A call answers at once, unless another process writes just then.
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
  return new SqliteStore(open(path, busyTimeoutMs), ttlMs, busyTimeoutMs);
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
    database.exec(`pragma busy_timeout = ${BLOCKING_MS}`);
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
    private readonly patienceMs: number,
  ) {
    const prepare = (sql: string) => database.prepare(sql);
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

  claim(request: ClaimRequest): Awaitable<Claim> {
    return whenFree(() => this.claimNow(request), this.patienceMs);
  }

  private claimNow(request: ClaimRequest): Claim {
    this.mustBeOpen();
    const { key, fingerprint, owner, leaseMs, now } = request;
    this.sweep(now);
    const id = idOf(key);
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      // Looked at first: who only asks again whether a key is free must not hold up those who write.
      const [row] = this.found.all(id) as Row[];
      const isOwn = row?.output === null && row.owner === asText(owner);
      const claim = isOwn ? undefined : claimOf(row, request);
      if (claim) return claim;
      const texts = [asText(key), asText(fingerprint), asText(owner)] as const;
      const { changes } = this.inTurn(() => this.claimed.run(id, ...texts, now + leaseMs, now, now));
      if (Number(changes) > 0) return { kind: 'won' };
    }
    throw new StoreError('The record of the key changed at every try.');
  }

  renew(claim: { key: string; owner: string; leaseMs: number; now: number }): Awaitable<boolean> {
    const { key, owner, leaseMs, now } = claim;
    return this.write(this.renewed, now + leaseMs, idOf(key), asText(owner));
  }

  complete(answer: { key: string; owner: string; output: JsonValue; now: number }): Awaitable<boolean> {
    const { key, owner, output, now } = answer;
    return this.write(this.completed, JSON.stringify(output), now + this.ttlMs, idOf(key), asText(owner));
  }

  release({ key, owner }: { key: string; owner: string }): Awaitable<void> {
    return this.write(this.released, idOf(key), asText(owner)) as Awaitable<unknown> as Awaitable<void>;
  }

  saveBreaker(breaker: { provider: string; snapshot: JsonValue; now: number }): Awaitable<void> {
    const { provider, snapshot, now } = breaker;
    const values = [asText(provider), JSON.stringify(snapshot), now];
    return this.write(this.savedBreaker, ...values) as Awaitable<unknown> as Awaitable<void>;
  }

  loadBreakers(): JsonValue[] {
    this.mustBeOpen();
    return (this.breakers.all() as { snapshot: string }[]).map(
      ({ snapshot }) => JSON.parse(snapshot) as JsonValue,
    );
  }

  /** A database that was closed is not asked: libsql would end the process. */
  private mustBeOpen(): void {
    if (this.isClosed) throw new StoreError('The store was closed.');
  }

  /**
   * In a transaction that has the right to write before it does anything: a statement of libsql that has to wait for it is
   * left half done, and keeps its connection from writing for ever.
   */
  private inTurn<T>(work: () => T): T {
    this.mustBeOpen();
    this.database.exec('begin immediate');
    try {
      const result = work();
      this.database.exec('commit');
      return result;
    } catch (error) {
      this.database.exec('rollback');
      throw error;
    }
  }

  /** Whether it changed a record. */
  private write(statement: Statement, ...values: (string | number)[]): Awaitable<boolean> {
    return whenFree(() => this.inTurn(() => Number(statement.run(...values).changes) > 0), this.patienceMs);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.database.close();
  }

  /** In passing: a claim is not lost over it, and it is tried again when its time has come. */
  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    try {
      const { changes } = this.inTurn(() => this.swept.run(now, now - LAPSED_MS));
      if (Number(changes) === SWEEP_SIZE) this.sweptAt = -Infinity;
    } catch {
      // As where the disk is full: what is there can still be read.
    }
  }
}
