import { createRequire } from 'node:module';
import { InvalidOptionsError } from '../../index.js';

/** No object: libsql takes a lone one for named parameters, and ends the process over it. */
type Value = string | number | null;

/** No `get`: libsql leaves it standing at its row, and what is read stays so, which keeps the connection from writing. */
export interface Statement {
  all(...values: Value[]): unknown[];
  run(...values: Value[]): { changes: number | bigint };
}

/** What node:sqlite and libsql have in common. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}

type Maker = new (path: string) => Database;

/** Opens a database with the Node's own SQLite, else with the package `libsql`. */
export function openDatabase(path: string): Database {
  return new (databaseClass())(path);
}

function databaseClass(): Maker {
  // Node 20 has no `node:sqlite`; some of 22 only with a flag.
  const builtin = process.getBuiltinModule?.('node:sqlite') as { DatabaseSync?: Maker } | undefined;
  if (builtin?.DatabaseSync) return builtin.DatabaseSync;
  try {
    return createRequire(import.meta.url)('libsql') as Maker;
  } catch (error) {
    throw new InvalidOptionsError(
      `sqliteStore() found neither node:sqlite (Node ${process.versions.node} has none) nor the package libsql. ` +
        'Run `npm install libsql`, or use Node 22.13 or newer.',
      { cause: error },
    );
  }
}
