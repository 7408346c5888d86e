import { describe, expect, it } from 'vitest';
import { makeFailure } from '../../src/core/classify.js';
import type { FailureCategory } from '../../src/core/errors.js';
import type { RunContext, RunEnd, RunEvent } from '../../src/machines/run-context.js';
import {
  abortCause,
  branchesEnd,
  endBy,
  endsWith,
  failedEnd,
  isAnswer,
  mayFallOver,
  waitOf,
} from '../../src/machines/run-verdicts.js';

const one = {
  tool: 'a',
  provider: 'a',
  idempotent: true,
  isBundle: false,
  maxRetries: 0,
  maxDelayMs: 500,
  hedgeAfterMs: null,
};
const failure = (category: FailureCategory) => ({
  ...makeFailure(category, { message: category }),
  at: 1_000_000,
  delayMs: 100,
  retryBudgetAllows: true,
  committed: false,
});
const contextOf = (fields: Partial<RunContext>) =>
  ({
    candidates: [one, { ...one, tool: 'b' }],
    candidate: 0,
    attempt: 1,
    calls: 1,
    maxAttempts: 10,
    deadlineAt: null,
    lastFailure: failure('server'),
    refusal: null,
    soonest: null,
    bundleEnd: null,
    steps: [],
    policy: 'all',
    quorum: 1,
    end: null,
    ...fields,
  }) as RunContext;
const bundleEnd = (fields: object = {}) => ({
  code: 'server' as const,
  why: 'no replicate answered',
  retryAfterMs: null,
  committed: false,
  ...fields,
});
const refused = (retryAfterMs?: number, code = 'breaker_open') =>
  ({
    code,
    message: 'it is open',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }) as RunContext['refusal'];
const ended = (status: RunEnd['status'], code: RunEnd['code'] = null) => ({
  status,
  code,
  why: null,
  retryAfterMs: null,
});

describe('the end that an event brings', () => {
  it.each<[RunEvent['type'], RunEnd['status'], RunEnd['code']]>([
    ['deadline.passed', 'timed_out', 'deadline_exceeded'],
    ['budget.exceeded', 'budget_exceeded', 'budget_exceeded'],
    ['cancel', 'cancelled', 'cancelled'],
  ])('%s: %s', (type, status, code) => {
    expect(endBy({ type } as RunEvent)).toEqual(ended(status, code));
  });

  it('has no code unless it is given one', () => {
    expect(endsWith('completed')).toEqual(ended('completed'));
    expect(endsWith('failed', 'internal')).toEqual(ended('failed', 'internal'));
  });
});

describe('why a candidate is given up', () => {
  it('is its last failure', () => {
    const end = failedEnd(contextOf({ lastFailure: failure('validation'), soonest: 3 }));
    expect(end).toMatchObject({ status: 'failed', code: 'validation', retryAfterMs: null });
  });

  it('is its refusal, with the soonest time of all that refused', () => {
    const at = (own: number | undefined, soonest: number | null) =>
      failedEnd(contextOf({ refusal: refused(own), soonest }));
    expect(at(7, null)).toEqual({
      status: 'failed',
      code: 'breaker_open',
      why: 'it is open',
      retryAfterMs: 7,
    });
    expect(
      [at(7, 3), at(3, 7), at(undefined, 5), at(undefined, null)].map((end) => end.retryAfterMs),
    ).toEqual([3, 3, 5, null]);
  });

  it('is what its bundle says, with the soonest time too', () => {
    const at = (own: number | null, soonest: number | null) =>
      failedEnd(contextOf({ bundleEnd: bundleEnd({ retryAfterMs: own }), soonest }));
    expect(at(9, 4)).toEqual({
      status: 'failed',
      code: 'server',
      why: 'no replicate answered',
      retryAfterMs: 4,
    });
    expect([at(4, 9).retryAfterMs, at(null, 9).retryAfterMs]).toEqual([4, 9]);
  });
});

describe('when a candidate that refused may be asked again', () => {
  it.each<[object | null, object | null, number | null]>([
    [null, null, null],
    [null, refused(7), 7],
    [null, refused(), null],
    [bundleEnd({ retryAfterMs: 5 }), refused(7), 5],
    [bundleEnd(), refused(7), 7],
  ])('bundle %j, refusal %j: %s', (bundle, refusal, wait) => {
    expect(waitOf(contextOf({ bundleEnd: bundle, refusal } as Partial<RunContext>))).toBe(wait);
  });
});

describe('whether another tool may be tried', () => {
  it.each<[string, Partial<RunContext>, boolean]>([
    ['retries are spent', {}, true],
    ['it is the last', { candidate: 1 }, false],
    ['the one before the last failed', { candidates: [one, one, one], candidate: 1 }, true],
    ['the calls of the run are spent', { calls: 10 }, false],
    ['one call is left', { calls: 9 }, true],
    ['its failure is final', { lastFailure: failure('validation') }, true],
    [
      'its failure is final, and the calls are spent',
      { lastFailure: failure('validation'), calls: 10 },
      false,
    ],
    ['a retry would come first', { candidates: [{ ...one, maxRetries: 1 }, one] }, false],
    ['it refused', { refusal: refused(7) }, true],
    ['the calls were spent when it was asked', { refusal: refused(7, 'attempts_exhausted') }, false],
    ['its bundle failed', { bundleEnd: bundleEnd(), refusal: refused(7, 'attempts_exhausted') }, true],
    ['its bundle failed with something shown', { bundleEnd: bundleEnd({ committed: true }) }, false],
    ['its bundle failed, and it is the last', { candidate: 1, bundleEnd: bundleEnd() }, false],
  ])('%s', (_, fields, may) => {
    expect(mayFallOver(contextOf(fields))).toBe(may);
  });
});

describe('an answer of a step', () => {
  it('is one in full or in part', () => {
    const endedAs = (status: RunEnd['status']) =>
      isAnswer({ type: 'step.ended', step: 0, status, code: null });
    expect([endedAs('completed'), endedAs('partial'), endedAs('failed'), endedAs('cancelled')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isAnswer({ type: 'bundle.ended', status: 'completed' } as RunEvent)).toBe(false);
  });
});

describe('how branches end a run', () => {
  const endOf = (...statuses: (RunEnd['status'] | 'running')[]) =>
    branchesEnd(
      contextOf({ steps: statuses.map((status) => ({ name: 's', status })), quorum: statuses.length }),
    );
  it('is what they have decided', () => {
    expect(endOf('completed', 'completed')).toEqual(ended('completed'));
    expect(endOf('completed', 'failed')).toEqual(ended('failed'));
    expect(endOf('completed', 'budget_exceeded')).toEqual(ended('budget_exceeded', 'budget_exceeded'));
    expect(endOf('completed', 'running')).toEqual(ended('failed'));
  });
});

describe('what calls in flight are told', () => {
  it.each<[RunEnd['status'] | null, string]>([
    ['completed', 'loser'],
    ['partial', 'loser'],
    ['cancelled', 'cancelled'],
    ['timed_out', 'timed_out'],
    ['budget_exceeded', 'budget_exceeded'],
    ['failed', 'failed'],
    [null, 'failed'],
  ])('of a run that ends %s: %s', (status, cause) => {
    expect(abortCause(contextOf({ end: status && ended(status) }))).toBe(cause);
  });
});
