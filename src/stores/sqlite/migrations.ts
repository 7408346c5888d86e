import { StoreError } from '../../index.js';
import type { Database } from './driver.js';

/** Each brings a file from one version to the next; what was released is never changed. */
const MIGRATIONS: readonly string[] = [
  `create table troupe_runs (
     id text not null primary key,
     key text not null,
     fingerprint text not null,
     owner text not null,
     lease_until real not null,
     output text,
     kept_until real
   );
   create index troupe_runs_kept on troupe_runs (kept_until) where output is not null;
   create index troupe_runs_lease on troupe_runs (lease_until) where output is null;
   create table troupe_breakers (
     provider text not null primary key,
     snapshot text not null,
     saved_at real not null
   ) without rowid;`,
];

/** Makes the tables, or brings them up to date; several processes may do so at once. */
export function migrate(database: Database): void {
  if (versionOf(database) === MIGRATIONS.length) return;
  database.exec('begin immediate');
  try {
    const version = versionOf(database);
    if (version > MIGRATIONS.length) {
      throw new StoreError(
        `the file was written by a newer Troupe (its version is ${version}, this one knows ${MIGRATIONS.length}). ` +
          'Update Troupe, or use another file',
      );
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`pragma user_version = ${MIGRATIONS.length}`);
    database.exec('commit');
  } catch (error) {
    database.exec('rollback');
    throw error;
  }
}

function versionOf(database: Database): number {
  const [row] = database.prepare('pragma user_version').all() as { user_version: number }[];
  return row!.user_version;
}
