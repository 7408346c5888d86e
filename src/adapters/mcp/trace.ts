import { randomBytes } from 'node:crypto';

/** The keys of `_meta` this door uses: W3C's, and ours. */
export const TRACEPARENT = 'traceparent';
export const IDEMPOTENCY_KEY = 'idempotencyKey';

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const HEADER = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** W3C trace context for one call; undefined for a trace id that is none of W3C's. */
export function traceparentOf(traceId: string): string | undefined {
  return TRACE_ID.test(traceId) ? `00-${traceId}-${randomBytes(8).toString('hex')}-01` : undefined;
}

/** The trace id in a `traceparent`, if it is one. */
export function traceIdIn(traceparent: unknown): string | undefined {
  const traceId = typeof traceparent === 'string' ? HEADER.exec(traceparent)?.[1] : undefined;
  return traceId !== undefined && TRACE_ID.test(traceId) ? traceId : undefined;
}
