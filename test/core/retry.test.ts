import { describe, expect, it } from 'vitest';
import { makeFailure } from '../../src/core/classify.js';
import { decideRetry, toAttemptFailure, type JudgedFailure, type RetryState } from '../../src/core/retry.js';

const FAILURE: JudgedFailure = {
  ...makeFailure('server', { message: 'down' }),
  at: 1000,
  delayMs: 100,
  retryBudgetAllows: true,
};
const STATE: RetryState = {
  attempt: 1,
  maxRetries: 3,
  calls: 1,
  maxAttempts: 10,
  maxDelayMs: 500,
  idempotent: true,
  committed: false,
  deadlineAt: null,
};

const decide = (failure: Partial<JudgedFailure>, state: Partial<RetryState>) =>
  decideRetry({ ...FAILURE, ...failure }, { ...STATE, ...state });

describe('decideRetry', () => {
  it('retries a retryable failure after its delay', () => {
    expect(decide({}, {})).toEqual({ kind: 'retry', delayMs: 100 });
    expect(decide({ delayMs: 0 }, {})).toEqual({ kind: 'retry', delayMs: 0 });
  });

  it('makes maxRetries + 1 calls of a tool and no more', () => {
    expect(decide({}, { attempt: 3 }).kind).toBe('retry');
    expect(decide({}, { attempt: 4 })).toMatchObject({ kind: 'fall_over', code: 'server' });
    expect(decide({}, { attempt: 1, maxRetries: 0 }).kind).toBe('fall_over');
  });

  it('makes maxAttempts calls in a run and no more, of no tool', () => {
    expect(decide({}, { calls: 9 }).kind).toBe('retry');
    expect(decide({}, { calls: 10 }).kind).toBe('give_up');
  });

  it('goes on to the next tool when another call of this one would not help', () => {
    expect(decide({ retryable: false }, {}).kind).toBe('fall_over');
    expect(decide({ delayMs: null }, {}).kind).toBe('fall_over');
    expect(decide({ retryBudgetAllows: false }, {})).toMatchObject({
      kind: 'fall_over',
      code: 'retry_budget',
    });
  });

  it('does not wait longer than maxDelayMs for a provider, and does not call it early', () => {
    expect(decide({ retryAfterMs: 500, delayMs: 500 }, {}).kind).toBe('retry');
    expect(decide({ retryAfterMs: 501, delayMs: 501 }, {}).kind).toBe('fall_over');
  });

  it('gives up before sleeping up to the deadline or past it', () => {
    expect(decide({}, { deadlineAt: 1101 }).kind).toBe('retry');
    expect(decide({}, { deadlineAt: 1100 })).toMatchObject({ kind: 'fall_over', code: 'gave_up' });
    expect(decide({}, { deadlineAt: 1050 }).kind).toBe('fall_over');
  });

  it('goes on to the next tool when the breaker would refuse the next call, and only then', () => {
    expect(decide({ refusedUntil: 1101 }, {})).toMatchObject({ kind: 'fall_over', code: 'breaker_open' });
    expect(decide({ refusedUntil: 1100 }, {}).kind).toBe('retry');
  });

  it('never repeats what was partly shown, not even by another tool', () => {
    expect(decide({}, { committed: true }).kind).toBe('give_up');
    expect(decide({ precedesExecution: true }, { committed: true }).kind).toBe('give_up');
    expect(decide({ retryable: false }, { committed: true }).kind).toBe('give_up');
  });

  it('repeats a tool that is not idempotent only when the call had not begun', () => {
    expect(decide({}, { idempotent: false }).kind).toBe('give_up');
    expect(decide({ precedesExecution: true }, { idempotent: false }).kind).toBe('retry');
    expect(decide({ precedesExecution: true, retryable: false }, { idempotent: false }).kind).toBe(
      'fall_over',
    );
  });

  it('says why in words that name the option', () => {
    const why = (state: Partial<RetryState>, failure: Partial<JudgedFailure> = {}) => {
      const decision = decide(failure, state);
      return decision.kind === 'retry' ? '' : decision.why;
    };
    expect(why({ calls: 10 })).toBe('the run has made its 10 calls (`maxAttempts`)');
    expect(why({ attempt: 4 })).toBe('its 3 retries are spent (`maxRetries`)');
    expect(why({}, { retryAfterMs: 501 })).toBe('it asked to wait longer than `maxDelayMs` (500 ms)');
    expect(why({ deadlineAt: 1 })).toBe('the deadline comes before the next try');
    expect(why({ committed: true })).toBe(
      'part of its answer was already shown, and it is not marked `replayable`',
    );
    expect(why({ idempotent: false })).toBe('it is not idempotent, and may have had its effect');
    expect(why({}, { retryable: false })).toBe('another call would not help');
    expect(why({}, { delayMs: null })).toBe('the `delay` function said stop');
    expect(why({}, { retryBudgetAllows: false })).toBe("the provider's retry budget is spent");
    expect(why({}, { refusedUntil: 1101 })).toBe("the provider's breaker has opened");
  });
});

describe('toAttemptFailure', () => {
  it('keeps what a list of failures shows and nothing else', () => {
    expect(toAttemptFailure('t', 2, FAILURE)).toStrictEqual({
      tool: 't',
      attempt: 2,
      category: 'server',
      message: 'down',
    });
    expect(toAttemptFailure('t', 1, { ...FAILURE, status: 503, retryAfterMs: 0 })).toMatchObject({
      status: 503,
      retryAfterMs: 0,
    });
  });
});
