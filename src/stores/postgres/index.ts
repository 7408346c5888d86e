/** The door `troupe/postgres`. */
export { postgresStore, type PostgresStoreOptions } from './postgres-store.js';
export { postgresMigration } from './migration.js';
export type { PostgresPool } from './connection.js';
