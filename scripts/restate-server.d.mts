export interface RestateServer {
  readonly version: string;
  readonly admin: string;
  readonly ingress: string;
  /** Starts it again, on the same data and ports. */
  start(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** @param more further fields of the request, as `use_http_11`. */
  register(uri: string, more?: object): Promise<void>;
  /** Asks its SQL interface. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Kills it, and removes its data. */
  stop(): Promise<void>;
}

export function installServer(): string;
/** @param more of its environment. */
export function startServer(more?: Record<string, string>): Promise<RestateServer>;
