import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useWal } from '../../src/stores/sqlite/wal.js';
import { storeContract } from '../../src/testing/index.js';
import { openDatabase } from '../../src/stores/sqlite/driver.js';
import { sqliteStore } from '../../src/stores/sqlite/index.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), 'troupe-sqlite-'))));
afterEach(() => rmSync(dir, { recursive: true }));
const file = (name = 'store.db') => path.join(dir, name);
const claim = (owner: string, now = 0, key = 'k') => ({ key, fingerprint: 'f', owner, leaseMs: 1000, now });

/** A file as another process has it open: by the same library, as two in one process do not see each other's locks. */
const open = openDatabase;

function read(sql: string): Record<string, unknown> {
  const database = open(file());
  const row = database.prepare(sql).all()[0]! as Record<string, unknown>;
  database.close();
  return row!;
}

storeContract(({ ttlMs }) => sqliteStore(':memory:', { ttlMs }), it);

describe('sqliteStore', () => {
  it('keeps what it was given when it is opened again', async () => {
    const first = sqliteStore(file());
    await first.claim(claim('a'));
    await first.complete({ key: 'k', owner: 'a', output: { n: 1 }, now: 1 });
    await first.saveBreaker!({ provider: 'p', snapshot: { provider: 'p' }, now: 1 });
    await first.close!();
    const second = sqliteStore(file());
    expect(await second.claim(claim('b', 86_400_000))).toEqual({ kind: 'stored', output: { n: 1 } });
    expect((await second.claim(claim('b', 86_400_001))).kind).toBe('won');
    expect(await second.loadBreakers!()).toEqual([{ provider: 'p' }]);
    await second.close!();
  });

  it('holds one lock over all who have the file open', async () => {
    const stores = [sqliteStore(file()), sqliteStore(file())];
    expect((await stores[0]!.claim(claim('a'))).kind).toBe('won');
    expect((await stores[1]!.claim(claim('b'))).kind).toBe('held');
    for (const store of stores) await store.close!();
  });

  it('waits for a process that begins with the same new file', () => {
    const other = open(file());
    other.exec('begin immediate');
    const database = open(file());
    const exec = (sql: string) => {
      // The other ends while this one waits.
      if (sql === 'begin immediate') other.exec('rollback');
      database.exec(sql);
    };
    useWal({ exec, prepare: (sql) => database.prepare(sql), close() {} });
    expect(read('pragma journal_mode')).toMatchObject({ journal_mode: 'wal' });
    database.close();
    other.close();
  });

  it('waits while another writes, lets the event loop go on meanwhile, and writes then', async () => {
    const store = sqliteStore(file());
    const other = open(file());
    other.exec('begin immediate');
    const waiting = store.claim(claim('a'));
    // More turns than one that waits inside SQLite would let by.
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
    other.exec('commit');
    other.close();
    expect(await waiting).toEqual({ kind: 'won' });
    expect(await store.complete({ key: 'k', owner: 'a', output: 1, now: 1 })).toBe(true);
    await store.close!();
  });

  it('removes what has expired', async () => {
    const store = sqliteStore(file(), { ttlMs: 1000 });
    for (let index = 0; index < 50; index++) {
      await store.claim(claim('a', 0, `answered ${index}`));
      await store.complete({ key: `answered ${index}`, owner: 'a', output: 1, now: 0 });
      await store.claim(claim('a', 0, `held ${index}`));
    }
    const count = () => read('select count(*) as n from troupe_runs')['n'];
    await store.claim(claim('a', 59_999, 'too early to look'));
    expect(count()).toBe(101);
    await store.claim(claim('a', 60_000, 'answers go'));
    expect(count()).toBe(52);
    // A lease that has ended stays for an hour: who had it may still answer.
    await store.claim(claim('a', 3_601_000, 'leases go'));
    expect(count()).toBe(3);
    await store.close!();
  });

  it('removes at each claim what is left, until nothing is', async () => {
    const store = sqliteStore(file(), { ttlMs: 1000 });
    const database = open(file());
    database.exec(
      `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2500)
       insert into troupe_runs select n, n, 'f', 'a', 0, '1', 0 from numbers`,
    );
    database.close();
    const left: unknown[] = [];
    for (const now of [60_000, 60_001, 60_002]) {
      await store.claim(claim('a', now, 'next'));
      left.push(read('select count(*) as n from troupe_runs')['n']);
    }
    expect(left).toEqual([1501, 501, 1]);
    await store.close!();
  });

  it('loses no claim over what it cannot remove', async () => {
    const store = sqliteStore(file(), { ttlMs: 1000 });
    await store.claim(claim('a'));
    await store.complete({ key: 'k', owner: 'a', output: 1, now: 0 });
    const database = open(file());
    database.exec(
      "create trigger stays before delete on troupe_runs begin select raise(abort, 'it stays'); end",
    );
    database.close();
    expect((await store.claim(claim('a', 60_000, 'other'))).kind).toBe('won');
    await store.close!();
  });

  it('waits for another process as long as it was told to, and no longer', async () => {
    const store = sqliteStore(file(), { busyTimeoutMs: 1 });
    const database = open(file());
    database.exec('begin immediate');
    await expect(store.claim(claim('a'))).rejects.toThrow('locked');
    database.exec('commit');
    expect((await store.claim(claim('a'))).kind).toBe('won');
    database.close();
    await store.close!();
  });

  it('on a full disk runs nothing that it cannot claim, says what it could not store, and loses nothing it has', () => {
    // Files may not grow beyond 500 KiB; what is written then fails as on a full disk.
    const script = `trap '' XFSZ; ulimit -f 500; exec "$0" --no-warnings "$1" "$2"`;
    const worker = path.join(import.meta.dirname, 'full-disk.mjs');
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, worker, file()], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    const { ends, stored } = JSON.parse(stdout) as {
      ends: { bytes?: number; warnings?: string[]; code?: string; message?: string }[];
      stored: boolean[];
    };
    expect(stored.length).toBeGreaterThan(0);
    expect(stored).not.toContain(false);
    const refused = ends.filter(({ code }) => code === 'store_failed');
    expect(refused.length).toBeGreaterThan(0);
    for (const { message } of refused) {
      expect(message).toMatch(
        /^The store could not claim the idempotency key: .+\. Nothing was run; try again\.$/,
      );
    }
    for (const { bytes, warnings } of ends.slice(stored.length).filter((end) => end.code === undefined)) {
      expect(bytes).toBe(20_000);
      expect(warnings).toEqual([expect.stringContaining('The answer was not stored: the store failed: ')]);
    }
  });

  it('says what is wrong with a file it cannot use', () => {
    expect(() => sqliteStore(path.join(dir, 'no', 'such', 'folder.db'))).toThrow(
      expect.objectContaining({
        code: 'store_failed',
        message: expect.stringContaining('folder.db') as string,
      }),
    );
    writeFileSync(
      file('text.db'),
      'This is no database, but it is long enough to look like one. '.repeat(20),
    );
    expect(() => sqliteStore(file('text.db'))).toThrow('could not open');
    expect(() => sqliteStore(file('gone/new.db'))).toThrow('there is no folder');
    const newer = open(file('newer.db'));
    newer.exec('pragma user_version = 99');
    newer.close();
    expect(() => sqliteStore(file('newer.db'))).toThrow('was written by a newer Troupe');
  });

  it('does nothing more once it is closed', async () => {
    const store = sqliteStore(file());
    await store.close!();
    expect(() => store.claim(claim('a'))).toThrow('was closed');
    expect(() => store.release({ key: 'k', owner: 'a' })).toThrow('was closed');
  });

  it.each([
    ['', {}, 'takes the path of a file'],
    [5, {}, 'takes the path of a file'],
    [':memory:', { ttlMs: 0 }, '`ttlMs`'],
    [':memory:', { busyTimeoutMs: Number.NaN }, '`busyTimeoutMs`'],
    [':memory:', { ttl: 5 }, 'Unknown option `ttl`'],
    [':memory:', null, 'must be an object'],
  ])('refuses %j with %j', (where, options, why) => {
    expect(() => sqliteStore(where as string, options as object)).toThrow(why);
  });
});
