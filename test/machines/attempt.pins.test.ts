import { describe, expect, it } from 'vitest';
import { initialTransition, transition, type AnyStateMachine, type AnyStateNode } from 'xstate';
import { makeFailure } from '../../src/core/classify.js';
import type { JudgedFailure } from '../../src/core/retry.js';
import {
  attemptEnd,
  attemptGuards,
  attemptUpdates,
  earlier,
  type AttemptContext,
  type AttemptEvent,
} from '../../src/machines/attempt.js';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
  type BundleChartEvent,
  type ReplicateChartEvent,
} from '../../src/machines/index.js';

const T0 = 1_000_000;
const TOOL = {
  tool: 'a',
  provider: 'p',
  idempotent: true,
  isBundle: false,
  maxRetries: 1,
  maxDelayMs: 500,
  hedgeAfterMs: null,
};
const failure = (fields: Partial<JudgedFailure> = {}) => ({
  ...makeFailure('server', { message: 'down' }),
  at: T0,
  delayMs: 100,
  retryBudgetAllows: true,
  ...fields,
});
const contextOf = (fields: Partial<AttemptContext> = {}): AttemptContext => ({
  candidates: [TOOL],
  candidate: 0,
  attempt: 1,
  calls: 1,
  maxAttempts: 10,
  inFlight: [],
  attemptTimeoutMs: null,
  abortGraceMs: 10,
  deadlineAt: null,
  wakeAt: null,
  lastFailure: { ...failure(), committed: false },
  failures: [],
  refusal: null,
  ...fields,
});
const failedWith = (fields: Partial<JudgedFailure>) =>
  contextOf({ lastFailure: { ...failure(fields), committed: false } });

describe('why a candidate is given up', () => {
  it('is its refusal', () => {
    const refusal = { code: 'pool_full', message: 'it is full' } as const;
    const end = { code: 'pool_full', why: 'it is full' };
    expect(attemptEnd(contextOf({ refusal }))).toEqual({ ...end, retryAfterMs: null });
    expect(attemptEnd(contextOf({ refusal: { ...refusal, retryAfterMs: 7 } }))).toEqual({
      ...end,
      retryAfterMs: 7,
    });
  });

  it('is its last failure, with the time that the provider asked for', () => {
    const why = 'another call would not help';
    expect(attemptEnd(failedWith({ retryable: false }))).toEqual({ code: 'server', why, retryAfterMs: null });
    const asked = failedWith({ retryable: false, retryAfterMs: 70, refusedUntil: T0 + 900 });
    expect(attemptEnd(asked)).toEqual({ code: 'server', why, retryAfterMs: 70 });
  });

  it('is the breaker that has opened, with the time that it stays so', () => {
    expect(attemptEnd(failedWith({ refusedUntil: T0 + 900, retryAfterMs: 70 }))).toEqual({
      code: 'breaker_open',
      why: "the provider's breaker has opened",
      retryAfterMs: 900,
    });
  });

  it('is nothing that is known, where it could be tried again', () => {
    expect(attemptEnd(failedWith({ retryAfterMs: 70 }))).toEqual({
      code: 'internal',
      why: null,
      retryAfterMs: 70,
    });
  });
});

describe('the lower of two times', () => {
  it.each([
    [1, 2, 1],
    [2, 1, 1],
    [0, null, 0],
    [null, 0, 0],
    [null, null, null],
  ])('%s and %s: %s', (a, b, lower) => {
    expect(earlier(a, b)).toBe(lower);
  });
});

describe('the guards of an attempt', () => {
  it.each(['slot', 'breaker', 'budget', 'cooldown'] as const)('know what it waits for: %s', (on) => {
    const event: AttemptEvent = { type: 'attempt.waiting', on, until: null };
    const args = { context: contextOf(), event };
    const { waitsForSlot, waitsForBreaker, waitsForBudget } = attemptGuards;
    expect([waitsForSlot(args), waitsForBreaker(args), waitsForBudget(args)]).toEqual([
      on === 'slot',
      on === 'breaker',
      on === 'budget',
    ]);
  });

  it('let one hedge go beside one call, while calls are left', () => {
    const mayHedge = (fields: Partial<AttemptContext>) =>
      attemptGuards.mayHedge({ context: contextOf(fields), event: {} });
    expect(mayHedge({ inFlight: [1] })).toBe(true);
    expect(mayHedge({ inFlight: [1, 2] })).toBe(false);
    expect(mayHedge({ inFlight: [] })).toBe(false);
    expect(mayHedge({ inFlight: [1], calls: 9 })).toBe(true);
    expect(mayHedge({ inFlight: [1], calls: 10 })).toBe(false);
  });
});

describe('a retry', () => {
  it('is due its delay after the failure, and at once where there is none', () => {
    const due = (context: AttemptContext) => attemptUpdates.scheduleRetry({ context, event: {} }).wakeAt;
    expect(due(failedWith({ delayMs: 100 }))).toBe(T0 + 100);
    expect(due(failedWith({ retryable: false }))).toBe(T0);
  });
});

describe('every action and guard that a chart names', () => {
  const namesOf = (machine: AnyStateMachine) => {
    const names = new Set<string>();
    const note = (list: readonly unknown[]) => {
      for (const one of list) names.add(typeof one === 'string' ? one : (one as { type: string }).type);
    };
    const visit = (node: AnyStateNode): void => {
      note([...node.entry, ...node.exit]);
      for (const edge of [...node.transitions.values(), node.always ?? []].flat()) {
        note(edge.actions);
        if (edge.guard !== undefined) note([edge.guard]);
      }
      Object.values(node.states).forEach(visit);
    };
    visit(machine.root);
    return [...names].sort();
  };

  it.each([runMachine, bundleMachine, replicateMachine, breakerMachine, budgetMachine] as AnyStateMachine[])(
    'is there: $id',
    (machine) => {
      const { actions, guards } = machine.implementations;
      expect(namesOf(machine).filter((name) => !(name in actions) && !(name in guards))).toEqual([]);
    },
  );
});

describe('a replicate', () => {
  const turn: ReplicateChartEvent = { type: 'turn.granted', timesOutAt: T0 + 900, deadlineAt: null };
  const granted: ReplicateChartEvent = { type: 'attempt.granted', at: T0 };
  const answered: ReplicateChartEvent = { type: 'call.succeeded', call: 1 };
  const stop: ReplicateChartEvent = { type: 'replicate.stop', cause: 'loser' };
  const tooLong: ReplicateChartEvent = { type: 'timer.replicate' };

  function after(...sent: readonly ReplicateChartEvent[]) {
    const input = {
      replicateId: 'r',
      candidate: TOOL,
      maxAttempts: 10,
      attemptTimeoutMs: 50,
      abortGraceMs: 10,
    };
    let [snapshot, actions] = initialTransition(replicateMachine, input);
    for (const event of sent) [snapshot, actions] = transition(replicateMachine, snapshot, event);
    return {
      value: snapshot.value,
      context: snapshot.context,
      asked: actions.map(({ type, params }) => [type, params] as const),
    };
  }

  it('waits for a breaker until the time it was told', () => {
    const { asked, context } = after(turn, { type: 'attempt.waiting', on: 'breaker', until: T0 + 50 });
    expect(context.wakeAt).toBe(T0 + 50);
    expect(asked).toEqual([['armTimer', { timer: 'wait', at: T0 + 50 }]]);
  });

  it('disarms both timers of the check of its answer', () => {
    expect(after(turn, granted, answered, { type: 'answer.valid' }).asked).toEqual([
      ['disarmTimer', { timer: 'attempt' }],
      ['disarmTimer', { timer: 'grace' }],
      ['finish', { status: 'valid' }],
    ]);
  });

  it('disarms the grace once it has settled, and ends as it was stopped', () => {
    expect(
      after(turn, granted, stop, { type: 'call.failed', call: 1, failure: failure(), committed: false })
        .asked,
    ).toEqual([
      ['disarmTimer', { timer: 'grace' }],
      ['finish', { status: 'cancelled' }],
    ]);
  });

  it('ends by the first cause', () => {
    const { end } = after(turn, granted, stop).context;
    expect(end).toEqual({
      status: 'cancelled',
      code: 'cancelled',
      why: null,
      retryAfterMs: null,
      cause: 'loser',
    });
    expect(after(turn, granted, stop, tooLong).context.end).toEqual(end);
    expect(after(turn, granted, stop, { type: 'budget.exceeded' }).context.end).toEqual(end);
  });

  it.each<[ReplicateChartEvent, object]>([
    [
      tooLong,
      {
        code: 'timeout',
        cause: 'timeout',
        why: 'it took too long; raise `replicateTimeoutMs` (or `perReplicateBudget.ms`) if its answer is worth the wait',
      },
    ],
    [
      { type: 'budget.exceeded' },
      {
        code: 'budget_exceeded',
        cause: 'budget_exceeded',
        why: 'its own budget does not cover the call; raise `perReplicateBudget`, or give the tool an `estimate` that is nearer to what it uses',
      },
    ],
  ])('fails by $type, and says what to do', (event, end) => {
    expect(after(turn, granted, event).context.end).toEqual({ status: 'failed', retryAfterMs: null, ...end });
    expect(after(turn, event).value).toBe('failed');
  });
});

describe('a bundle', () => {
  it('disarms the grace when it has been reduced', () => {
    const sent: BundleChartEvent[] = [
      { type: 'replicate.ended' },
      { type: 'batch.tallied', stop: 'cap', next: 0 },
      { type: 'summary.made', status: 'completed' },
    ];
    let [snapshot, actions] = initialTransition(bundleMachine, { bundleId: 'b', first: 1, abortGraceMs: 10 });
    for (const event of sent) [snapshot, actions] = transition(bundleMachine, snapshot, event);
    expect(actions.map(({ type, params }) => [type, params])).toEqual([
      ['disarmTimer', { timer: 'grace' }],
      ['finish', { status: 'completed' }],
    ]);
  });
});
