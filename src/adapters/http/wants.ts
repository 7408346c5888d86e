import { Problem } from './problem.js';

export type FormatName = 'sse' | 'ui-message-stream';

/** Of Node: one that is to wait longer does not wait at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How a caller wants to hear of its run. */
export function wantsOf(
  request: Request,
  query: URLSearchParams,
  longestMs: number,
): { readonly format: FormatName | undefined; readonly waitMs: number } {
  const named = query.get('format');
  if (named !== null && named !== 'sse' && named !== 'ui-message-stream') {
    throw new Problem(400, 'invalid_options', 'Query `format` must be sse or ui-message-stream.');
  }
  const accepts = /(^|[\s,])text\/event-stream\s*($|[;,])/i.test(request.headers.get('accept') ?? '');
  const seconds = /(?:^|[\s,;])wait=(\d{1,7})(?:$|[\s,;])/.exec(request.headers.get('prefer') ?? '')?.[1];
  return {
    format: named ?? (accepts ? 'sse' : undefined),
    waitMs: Math.min(Number(seconds ?? 0) * 1000, longestMs, LONGEST_TIMER_MS),
  };
}

/** The last event a reader has; 0: none. */
export function lastEventId(given: string | null): number {
  if (given === null || given === '') return 0;
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new Problem(
    400,
    'invalid_options',
    'Header `Last-Event-ID` must be the `id` of an event of this run.',
  );
}
