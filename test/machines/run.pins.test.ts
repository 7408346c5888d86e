import { describe, expect, it } from 'vitest';
import { judgeBranches, type StepRecord } from '../../src/machines/branches.js';
import { runMachine, type RunChartEvent, type RunInput } from '../../src/machines/index.js';
import {
  candidate,
  failed,
  failure,
  FATAL,
  granted,
  overdue,
  refused,
  SERVER,
  succeeded,
  T0,
  waiting,
} from '../../src/testing/paths/attempt-events.js';
import { walk } from './coverage.js';
import { runInput } from './run.walks.js';

/** Where a run stands after some events, and what the last of them asked for. */
function after(input: Partial<RunInput>, ...events: RunChartEvent[]) {
  const { steps, end } = walk(runMachine, runInput(input), events);
  const { asked } = steps.at(-1)!;
  const params = (type: string) => asked.filter((a) => a.type === type).map((a) => a.params);
  return {
    value: end.value,
    context: end.context,
    end: end.context.end,
    params,
    asked: asked.map((a) => a.type),
  };
}

const two = [candidate('a', { maxRetries: 0 }), candidate('b')];
const hedged = [candidate('a', { hedgeAfterMs: 20 })];

describe('a run begins', () => {
  it('with its call when tool and key are settled, else with the plan, else with the key', () => {
    expect(after({}).value).toEqual({ attempting: { awaiting: 'admission' } });
    expect(after({ candidates: null }).value).toBe('planning');
    expect(after({ isAdmitted: false }).value).toEqual({ admitting: 'claiming' });
    expect(after({ isAdmitted: false }, { type: 'claim.won' }).asked).toEqual(['acquire']);
    expect(after({ isAdmitted: false, candidates: null }, { type: 'claim.won' }).value).toBe('planning');
  });

  it('asks again for a key that is held, when the lease may have ended', () => {
    const held: RunChartEvent = { type: 'claim.held', until: T0 + 30 };
    expect(after({ isAdmitted: false }, held).params('armTimer')).toEqual([{ timer: 'wait', at: T0 + 30 }]);
    const again = after({ isAdmitted: false }, held, { type: 'timer.wait' });
    expect([again.value, again.asked]).toEqual([{ admitting: 'claiming' }, ['disarmTimer', 'claimKey']]);
  });

  it('takes a stored answer with the status it had', () => {
    const stored: RunChartEvent = { type: 'claim.stored', status: 'partial' };
    expect(after({ isAdmitted: false }, stored).value).toBe('partial');
  });
});

describe('before a call', () => {
  it('a wait of known length is armed at its absolute time; slot and budget wait for a sign', () => {
    for (const on of ['breaker', 'cooldown'] as const) {
      expect(after({}, waiting(on)).params('armTimer')).toEqual([{ timer: 'wait', at: T0 + 50 }]);
    }
    for (const on of ['slot', 'budget'] as const) {
      const step = after({}, waiting(on));
      expect([step.value, step.asked]).toEqual([{ attempting: { awaiting: on } }, []]);
    }
  });

  it('what was freed, and a wait that is over, are asked for anew', () => {
    expect(after({}, waiting('budget'), { type: 'attempt.freed' }).asked).toEqual(['leaveQueues', 'acquire']);
    expect(after({}, waiting('breaker'), { type: 'timer.wait' }).asked).toEqual([
      'disarmTimer',
      'leaveQueues',
      'acquire',
    ]);
  });

  it('a refusal falls over to the next tool and says why; the last one fails the run', () => {
    const next = after({ candidates: two }, refused('breaker_open'));
    expect(next.params('announceFallback')).toEqual([{ from: 'a', to: 'b', reason: 'breaker_open' }]);
    expect(next.context).toMatchObject({ candidate: 1, attempt: 0, refusal: null });
    const called = after({ candidates: two }, granted, failed(1), granted);
    expect(called.context).toMatchObject({ candidate: 1, attempt: 1, calls: 2 });
    const last = after({}, refused('breaker_open'));
    expect(last.value).toBe('failed');
    expect(last.end).toEqual({
      status: 'failed',
      code: 'breaker_open',
      why: 'breaker_open',
      retryAfterMs: 7,
    });
  });

  it('a run whose calls are spent does not fall over', () => {
    expect(after({ candidates: two }, refused('attempts_exhausted')).value).toBe('failed');
  });
});

describe('a call', () => {
  it('has its limits armed as durations; without a limit, at Infinity', () => {
    expect(after({ candidates: hedged }, granted).params('armTimer')).toEqual([
      { timer: 'attempt', inMs: 40 },
      { timer: 'hedge', inMs: 20 },
    ]);
    expect(after({ attemptTimeoutMs: null }, granted).params('armTimer')).toEqual([
      { timer: 'attempt', inMs: Infinity },
      { timer: 'hedge', inMs: Infinity },
    ]);
  });

  it('that fails is repeated after its delay, counted from its failure', () => {
    const waits = after({}, granted, failed(1));
    expect(waits.value).toEqual({ attempting: 'backingOff' });
    expect(waits.params('armTimer')).toEqual([{ timer: 'backoff', at: T0 + 100 }]);
    expect(waits.params('announceRetry')).toEqual([{ delayMs: 100, retryAfterMs: undefined }]);
    const again = after({}, granted, failed(1), { type: 'timer.backoff' }, granted);
    expect(again.params('startCall')).toEqual([{ call: 2, hedge: false }]);
  });

  it('that fails for good falls over at once; with part of its answer shown it ends the run', () => {
    expect(after({ candidates: two }, granted, failed(1, FATAL)).params('announceFallback')).toEqual([
      { from: 'a', to: 'b', reason: 'validation' },
    ]);
    const shown = after({ candidates: two }, granted, failed(1, SERVER, true));
    expect([shown.value, shown.end?.code]).toEqual(['failed', 'server']);
  });

  it('of a tool that must not be repeated is followed by none, unless it failed at the door', () => {
    const once = [candidate('a', { idempotent: false }), candidate('b')];
    expect(after({ candidates: once }, granted, failed(1)).value).toBe('failed');
    const door = failed(1, failure('network', { precedesExecution: true }));
    expect(after({ candidates: once }, granted, door).value).toEqual({ attempting: 'backingOff' });
  });

  it('is not repeated past the deadline, also one that was moved meanwhile', () => {
    const moved: RunChartEvent = { type: 'deadline.extended', at: T0 + 100 };
    const gaveUp = after({}, granted, moved, failed(1));
    expect([gaveUp.value, gaveUp.end?.code]).toEqual(['failed', 'gave_up']);
    const free: RunChartEvent = { type: 'deadline.extended', at: null };
    expect(after({ deadlineAt: T0 }, granted, free, failed(1)).value).toEqual({ attempting: 'backingOff' });
  });

  it('that takes too long is aborted, must settle, and its late success counts for nothing', () => {
    const late = after({}, granted, overdue);
    expect(late.value).toEqual({ attempting: 'overrunning' });
    expect(late.params('abortCalls')).toEqual([{ cause: 'timeout' }]);
    expect(late.params('armTimer')).toEqual([{ timer: 'overrun', inMs: 10 }]);
    expect(after({}, granted, overdue, succeeded(1)).value).toEqual({ attempting: 'backingOff' });
    const left = after({}, granted, overdue, { type: 'timer.overrun' });
    expect([left.asked[0], left.asked[1]]).toEqual(['disarmTimer', 'abandonCalls']);
    expect(left.context.inFlight).toEqual([]);
  });
});

describe('a hedge', () => {
  const both = [granted, { type: 'hedge.granted' } as const];

  it('that loses is aborted as the loser, and the run ends when it has settled', () => {
    const won = after({ candidates: hedged }, ...both, succeeded(2));
    expect([won.value, won.params('abortCalls')]).toEqual(['settling', [{ cause: 'loser' }]]);
    expect(won.params('armTimer')).toEqual([{ timer: 'grace', inMs: 10 }]);
    expect(after({ candidates: hedged }, ...both, succeeded(2), failed(1)).value).toBe('completed');
  });

  it('that fails leaves the first call going; only the last failure is judged', () => {
    const first = after({ candidates: hedged }, ...both, failed(2));
    expect([first.value, first.asked]).toEqual([{ attempting: 'calling' }, ['announceFailure']]);
    expect(after({ candidates: hedged }, ...both, failed(2), failed(1)).value).toEqual({
      attempting: 'backingOff',
    });
  });

  it('whose answer was partly shown forbids a retry, whichever of the two calls fails last', () => {
    for (const [first, second] of [
      [failed(1), failed(2, SERVER, true)],
      [failed(1, SERVER, true), failed(2)],
    ] as const) {
      expect(after({ candidates: hedged }, ...both, first, second).value).toBe('failed');
    }
  });

  it('is no attempt of its own, yet a call of the run', () => {
    expect(after({ candidates: hedged }, ...both).context).toMatchObject({ attempt: 1, calls: 2 });
    const { context } = after({ candidates: hedged, maxAttempts: 1 }, ...both);
    expect(context.calls).toBe(1);
  });
});

describe('a run that is stopped', () => {
  it.each([
    ['cancel', 'cancelled'],
    ['deadline.passed', 'timed_out'],
    ['budget.exceeded', 'budget_exceeded'],
  ] as const)('by %s aborts its calls as %s, and later causes or answers change nothing', (type, status) => {
    const stopping = after({}, granted, { type });
    expect([stopping.value, stopping.params('abortCalls')]).toEqual(['settling', [{ cause: status }]]);
    expect(stopping.params('abortSteps')).toEqual([{ cause: status }]);
    const rest: RunChartEvent[] = [
      { type: 'deadline.passed' },
      { type: 'cancel' },
      { type: 'budget.exceeded' },
    ];
    expect(after({}, granted, { type }, ...rest, succeeded(1)).value).toBe(status);
  });

  it('leaves calls behind that have not settled when the grace is over', () => {
    const left = after({}, granted, { type: 'cancel' }, { type: 'timer.grace' });
    expect([left.value, left.asked]).toEqual(['cancelled', ['abandonCalls', 'disarmTimer', 'finish']]);
  });

  it('during back-off is over at once', () => {
    const over = after({}, granted, failed(1), { type: 'cancel' });
    expect([over.value, over.asked[0], over.asked.at(-1)]).toEqual(['cancelled', 'disarmTimer', 'finish']);
  });
});

describe('steps', () => {
  const chain: RunChartEvent = { type: 'planned.chain', steps: ['x', 'y'] };
  const ended = (step: number, status: 'completed' | 'failed', code: 'server' | null): RunChartEvent => ({
    type: 'step.ended',
    step,
    status,
    code,
  });

  it('of a chain start one after the other; a failed one ends the run with its own reason', () => {
    expect(after({ candidates: null }, chain).params('startStep')).toEqual([{ step: 0 }]);
    const second = after({ candidates: null }, chain, ended(0, 'completed', null));
    expect(second.params('startStep')).toEqual([{ step: 1 }]);
    const broken = after({ candidates: null }, chain, ended(0, 'failed', 'server'));
    expect([broken.value, broken.end?.code, broken.params('startStep')]).toEqual(['failed', 'server', []]);
  });

  const record = (status: StepRecord['status']): StepRecord => ({ name: 's', status });
  it.each([
    ['all', 2, 'completed completed', 'completed'],
    ['all', 2, 'completed running', null],
    ['all', 2, 'running failed', 'failed'],
    ['first', 1, 'running partial', 'completed'],
    ['first', 1, 'failed running', null],
    ['first', 1, 'failed completed', 'completed'],
    ['first', 1, 'failed failed', 'failed'],
    ['quorum', 2, 'completed completed running', 'completed'],
    ['quorum', 2, 'failed completed completed', 'partial'],
    ['quorum', 2, 'failed failed running', 'failed'],
    ['quorum', 2, 'failed completed running', null],
    ['settled', 1, 'completed running', null],
    ['settled', 1, 'completed failed', 'partial'],
    ['settled', 1, 'failed failed', 'failed'],
    ['settled', 1, 'completed partial', 'completed'],
    ['settled', 1, 'running budget_exceeded', null],
    ['settled', 1, 'completed budget_exceeded', 'partial'],
    ['settled', 1, 'failed budget_exceeded', 'budget_exceeded'],
    ['all', 2, 'running budget_exceeded', 'budget_exceeded'],
  ] as const)('of a parallel plan with %s (%i) and %s are judged %s', (policy, quorum, statuses, verdict) => {
    const steps = statuses.split(' ').map((status) => record(status as StepRecord['status']));
    expect(judgeBranches(steps, policy, quorum)).toBe(verdict);
  });
});
