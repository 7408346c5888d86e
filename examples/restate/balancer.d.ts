/** @param instances their addresses, as `http://127.0.0.1:9081`. */
export function startBalancer(
  instances: readonly string[],
  port?: number,
): Promise<{ readonly port: number; readonly taken: Map<string, number>; close(): void }>;
