/** The door `troupe/sqlite`. */
export { sqliteStore, type SqliteStoreOptions } from './sqlite-store.js';
