/**
 * What a provider asked for: the milliseconds to wait before the next call.
 *
 * Read from `retryAfterMs`, else from `headers` (`retry-after-ms`, then `retry-after` in seconds or as an HTTP
 * date, RFC 9110 10.2.3), on the error, its response, and down the cause chain. Undefined when there is none, or
 * it is invalid or past.
 */
export function readRetryAfter(error: unknown, now: number): number | undefined {
  for (const link of causeChain(error)) {
    const direct = field(link, 'retryAfterMs');
    if (isDuration(direct)) return direct;
    for (const holder of [link, field(link, 'response')]) {
      const found = fromHeaders(field(holder, 'headers') ?? field(holder, 'responseHeaders'), now);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Other ways to write numbers (signs, 0x10, 1e3) are no delay. */
const DIGITS = /^\d+(\.\d+)?$/;

function fromHeaders(headers: unknown, now: number): number | undefined {
  const ms = header(headers, 'retry-after-ms')?.trim();
  if (ms !== undefined && DIGITS.test(ms)) return Number(ms);
  const after = header(headers, 'retry-after')?.trim();
  if (after === undefined) return undefined;
  if (DIGITS.test(after)) return Number(after) * 1000;
  if (!Number.isNaN(Number(after))) return undefined;
  const wait = Date.parse(after) - now;
  return wait > 0 ? wait : undefined;
}

function header(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const get = field(headers, 'get');
  if (typeof get === 'function') {
    try {
      const value: unknown = get.call(headers, name);
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  }
  for (const key of keysOf(headers)) {
    if (key.toLowerCase() !== name) continue;
    const value = field(headers, key);
    const first: unknown = Array.isArray(value) ? value[0] : value;
    return typeof first === 'string' || typeof first === 'number' ? String(first) : undefined;
  }
  return undefined;
}

function keysOf(holder: object): string[] {
  try {
    return Object.keys(holder);
  } catch {
    return [];
  }
}

function isDuration(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

/** An error and its causes, at most ten deep; a cycle ends the chain. */
export function causeChain(error: unknown): unknown[] {
  const chain: unknown[] = [];
  let link = error;
  while (link !== undefined && link !== null && chain.length < 10 && !chain.includes(link)) {
    chain.push(link);
    link = field(link, 'cause');
  }
  return chain;
}

/** Reads a property of anything; what is not there, or throws, is undefined. */
export function field(holder: unknown, key: string): unknown {
  if ((typeof holder !== 'object' && typeof holder !== 'function') || holder === null) return undefined;
  try {
    return (holder as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
