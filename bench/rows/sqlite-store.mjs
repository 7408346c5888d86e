// A store of idempotency records in SQLite, as small as the port allows: what one durable write a run costs.
import Database from 'libsql';

export function sqliteStore(path) {
  const db = new Database(path);
  db.exec('pragma journal_mode = WAL; pragma synchronous = FULL;');
  db.exec(
    'create table records (key text primary key, fingerprint text, owner text, until real, output text) without rowid',
  );
  const take = db.prepare(
    'insert into records (key, fingerprint, owner, until) values (?, ?, ?, ?) on conflict (key) do nothing',
  );
  const read = db.prepare('select fingerprint, owner, until, output from records where key = ?');
  const complete = db.prepare('update records set output = ? where key = ? and owner = ?');
  const renew = db.prepare('update records set until = ? where key = ? and owner = ?');
  const release = db.prepare('delete from records where key = ? and owner = ? and output is null');
  return {
    claim({ key, fingerprint, owner, leaseMs, now }) {
      if (take.run(key, fingerprint, owner, now + leaseMs).changes === 1) return { kind: 'won' };
      const row = read.get(key);
      if (row.fingerprint !== fingerprint) return { kind: 'conflict' };
      if (row.output !== null) return { kind: 'stored', output: JSON.parse(row.output) };
      return { kind: 'held', retryAfterMs: Math.max(0, row.until - now) };
    },
    renew: ({ key, owner, leaseMs, now }) => renew.run(now + leaseMs, key, owner).changes === 1,
    complete: ({ key, owner, output }) => complete.run(JSON.stringify(output), key, owner).changes === 1,
    release: ({ key, owner }) => void release.run(key, owner),
    close: () => db.close(),
  };
}
