export interface RestateServer {
  readonly version: string;
  readonly admin: string;
  readonly ingress: string;
  /** Starts it again, on the same data and ports. */
  start(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  register(uri: string): Promise<void>;
  /** Asks its SQL interface. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Kills it, and removes its data. */
  stop(): Promise<void>;
}

export function installServer(): string;
export function startServer(): Promise<RestateServer>;
