/** Whether tests with a server can run; CI installs it, so nothing is skipped there. */
export const hasPostgres: boolean;

export interface PostgresServer {
  readonly url: string;
  start(): void;
  /** `fast` sends clients away, `immediate` is a crash. */
  stop(mode: 'fast' | 'immediate'): void;
  remove(): void;
}

/** A cluster of its own in a temporary folder, on loopback. */
export function startPostgres(): Promise<PostgresServer>;
