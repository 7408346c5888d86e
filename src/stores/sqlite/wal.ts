import type { Database } from './driver.js';

/** So often others may come first. */
const TRIES = 100;

/**
 * Has the file keep a write-ahead log. While another process begins with the same new file, SQLite refuses that at once,
 * whatever the busy timeout: a transaction waits for its turn, after which the log is mostly there already.
 */
export function useWal(database: Database): void {
  for (let tries = 1; ; tries++) {
    try {
      database.exec('pragma journal_mode = wal');
      return;
    } catch (error) {
      if (tries === TRIES) throw error;
      database.exec('begin immediate');
      database.exec('rollback');
    }
  }
}
