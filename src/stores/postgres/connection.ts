import { InvalidOptionsError } from '../../index.js';

type Value = string | number | null;

/** What the store asks of a pool; `pg.Pool` has it. */
export interface PostgresPool {
  query(text: string, values?: Value[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** @throws {InvalidOptionsError} for what is no pool. */
export function checkPool(pool: unknown): void {
  const { query, on, off } = (pool ?? {}) as Partial<PostgresPool>;
  if ([query, on, off].some((method) => typeof method !== 'function')) {
    throw new InvalidOptionsError(
      'postgresStore() takes a `Pool` of the package pg: `postgresStore(new Pool({ connectionString }))`.',
    );
  }
}

/** An idle connection that breaks makes the pool emit an error; without a listener that would end the process. */
const ignore = () => {};
/** How many stores use a pool. */
const users = new WeakMap<PostgresPool, number>();

export function guardPool(pool: PostgresPool): void {
  const count = users.get(pool) ?? 0;
  if (count === 0) pool.on('error', ignore);
  users.set(pool, count + 1);
}

export function unguardPool(pool: PostgresPool): void {
  const count = (users.get(pool) ?? 0) - 1;
  users.set(pool, count);
  if (count === 0) pool.off('error', ignore);
}

/** Codes of a connection that was lost: of Node's sockets, and of a server that is stopped. */
const LOST = /^(ECONNRESET|EPIPE|57P0[12]|08\d{3})$/;

/** Sends a statement, once more over another connection if the one it got was lost: each may be carried out twice. */
export async function query(
  pool: PostgresPool,
  text: string,
  values: Value[],
): Promise<{ rows: unknown[]; rowCount: number | null }> {
  try {
    return await pool.query(text, values);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const isLost =
      (typeof code === 'string' && LOST.test(code)) || message === 'Connection terminated unexpectedly';
    if (!isLost) throw error;
    return pool.query(text, values);
  }
}
