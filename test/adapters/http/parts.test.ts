import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { problemOf } from '../../../src/adapters/http/problem.js';
import { endResponse } from '../../../src/adapters/http/responses.js';
import type { KnownRun } from '../../../src/adapters/http/runs.js';
import { heardOf } from '../../../src/adapters/http/start.js';
import { within } from '../../../src/adapters/http/within.js';
import { OverloadedError } from '../../../src/index.js';

const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;

describe('a wait of limited length', () => {
  it('gives what came in time, and leaves neither timer nor listener', async () => {
    const before = timers();
    const { signal } = new AbortController();
    expect(await within(Promise.resolve('here'), 60_000, signal)).toBe('here');
    await expect(within(Promise.reject(new Error('no')), 60_000, signal)).rejects.toThrow('no');
    expect(timers()).toBe(before);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends with its time, and when nobody waits any more', async () => {
    const never = new Promise<never>(() => {});
    expect(await within(never, 5)).toBeUndefined();
    const leaving = new AbortController();
    const waiting = within(never, 60_000, leaving.signal);
    leaving.abort();
    expect(await waiting).toBeUndefined();
    expect(await within(never, 60_000, AbortSignal.abort())).toBeUndefined();
  });
});

it('whoever waits for the first word of a run leaves its events', async () => {
  let left = 0;
  const events = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ done: false, value: {} }),
      return: () => Promise.resolve({ done: true, value: void (left += 1) }),
    }),
  };
  await heardOf({ run: { events }, ended: new Promise(() => {}) } as unknown as KnownRun);
  expect(left).toBe(1);
});

it.each([
  ['completed', 200],
  ['partial', 200],
  ['failed', 502],
] as const)('a run that is %s is answered with %i', async (status, expected) => {
  const error =
    status === 'failed' ? { code: 'server', name: 'ToolExecutionError', message: 'down' } : undefined;
  const output = { status, content: 'some', error, metadata: { attempts: 1 } };
  const known = { run: { id: 'r', traceId: 't' }, end: { output } } as unknown as KnownRun;
  const response = endResponse(known);
  expect(response.status).toBe(expected);
  expect(response.headers.get('troupe-run-id')).toBe('r');
});

it.each([
  [0, '1'],
  [1, '1'],
  [1000, '1'],
  [1001, '2'],
])('who shall come again in %i ms is told %s seconds', (ms, seconds) => {
  const { headers } = problemOf(new OverloadedError('full', ms)).toResponse();
  expect(headers.get('retry-after')).toBe(seconds);
});
