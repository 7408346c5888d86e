import { describe, expect, it } from 'vitest';
import { replicateMachine, type ReplicateChartEvent, type ReplicateInput } from '../../src/machines/index.js';
import {
  candidate,
  failed,
  failure,
  FATAL,
  granted,
  overdue,
  refused,
  succeeded,
  T0,
  waiting,
} from '../../src/testing/paths/attempt-events.js';
import { walk } from './coverage.js';
import {
  extended,
  freeTurn,
  grace,
  invalid,
  replicateInput,
  stop,
  tooDear,
  tooLong,
  turn,
  valid,
} from './replicate.walks.js';

/** Where a replicate stands after some events, and what the last of them asked for. */
function after(input: Partial<ReplicateInput>, ...events: ReplicateChartEvent[]) {
  const { steps, end } = walk(replicateMachine, replicateInput(input), events);
  const { asked } = steps.at(-1)!;
  const params = (type: string) => asked.filter((a) => a.type === type).map((a) => a.params);
  const all = steps.flatMap((step) => step.asked);
  const isArmed = (timer: string) =>
    all.findLast(({ type, params: { timer: which } }) => /^(dis)?armTimer$/i.test(type) && which === timer)
      ?.type === 'armTimer';
  return {
    isArmed,
    value: end.value,
    context: end.context,
    end: end.context.end,
    params,
    asked: asked.map((a) => a.type),
  };
}

const calling = [turn, granted];
const answered = [...calling, succeeded(1)];
const hedged: Partial<ReplicateInput> = { candidate: candidate('b', { hedgeAfterMs: 20 }) };
const racing: ReplicateChartEvent[] = [...calling, { type: 'hedge.granted' }];
const GRACE = { timer: 'grace', inMs: 10 };
/** Infinity arms nothing. */
const NEVER = { timer: 'grace', inMs: Infinity };

describe('a replicate in the queue', () => {
  it('waits for its turn before it asks for anything else', () => {
    const queued = after({});
    expect([queued.value, queued.asked]).toEqual(['queued', ['awaitTurn']]);
  });

  it('is announced, limited and asks for its call when its turn has come', () => {
    const begun = after({}, turn);
    expect(begun.value).toEqual({ attempting: { awaiting: 'admission' } });
    expect(begun.asked).toEqual(['announceReplicate', 'armTimer', 'acquire']);
    expect(begun.params('armTimer')).toEqual([{ timer: 'replicate', at: T0 + 500 }]);
    expect(begun.context).toMatchObject({ timesOutAt: T0 + 500, deadlineAt: T0 + 500 });
  });

  it('without a limit of its own is armed at Infinity', () => {
    expect(after({}, freeTurn).params('armTimer')).toEqual([{ timer: 'replicate', at: Infinity }]);
  });

  it.each(['loser', 'cancelled'] as const)('that is stopped as %s ends at once, unannounced', (cause) => {
    const stopped = after({}, stop(cause));
    expect([stopped.value, stopped.end?.cause]).toEqual(['cancelled', cause]);
    expect(stopped.asked).not.toContain('announceReplicate');
    expect(stopped.asked.at(-1)).toBe('finish');
  });
});

describe('an answer', () => {
  it('is checked, and a valid one ends it', () => {
    expect(after({}, ...answered).value).toBe('validating');
    const checking = after({}, ...answered).asked;
    expect(checking.slice(checking.indexOf('validateAnswer'))).toEqual([
      'validateAnswer',
      'armTimer',
      'armTimer',
    ]);
    const over = after({}, ...answered, valid);
    expect([over.value, over.params('finish'), over.end]).toEqual(['valid', [{ status: 'valid' }], null]);
  });

  it('that is not valid is kept as such, and told as a failed attempt', () => {
    const over = after({}, ...answered, invalid());
    expect([over.value, over.params('finish')]).toEqual(['invalid', [{ status: 'invalid' }]]);
    expect(over.params('announceFailure')).toEqual([{ failure: over.context.lastFailure }]);
    expect(over.context.failures).toMatchObject([{ attempt: 1, category: 'invalid_output' }]);
  });

  it('that is not valid is asked for again where that may help', () => {
    const waits = after({}, ...answered, invalid(true));
    expect([waits.value, waits.params('armTimer')]).toEqual([
      { attempting: 'backingOff' },
      [{ timer: 'backoff', at: T0 + 100 }],
    ]);
    const again = [...answered, invalid(true), { type: 'timer.backoff' } as const, granted];
    expect(after({}, ...again).params('startCall')).toEqual([{ call: 2, hedge: false }]);
    expect(after({}, ...again, succeeded(2), valid).value).toBe('valid');
    expect(after({}, ...again, succeeded(2), invalid(true)).value).toBe('invalid');
  });

  it('whose call could not give JSON is invalid too', () => {
    expect(after({}, ...calling, failed(1, failure('invalid_output'))).value).toBe('invalid');
  });
});

describe('the check of an answer', () => {
  it('has the time of an attempt, and no grace to keep while nothing stops it', () => {
    const limits = [{ timer: 'attempt', inMs: 40 }, NEVER];
    expect(after({}, ...answered).params('armTimer')).toEqual(limits);
    expect(after({ attemptTimeoutMs: null }, ...answered).params('armTimer')).toEqual([
      { timer: 'attempt', inMs: Infinity },
      NEVER,
    ]);
    expect(after({}, ...answered, valid).asked).toEqual(['disarmTimer', 'disarmTimer', 'finish']);
  });

  it('that takes longer than an attempt may is a failed attempt, and the call is made again', () => {
    const waits = after({}, ...answered, overdue);
    expect([waits.value, waits.params('armTimer')]).toEqual([
      { attempting: 'backingOff' },
      [{ timer: 'backoff', at: T0 + 100 }],
    ]);
    expect(waits.params('announceFailure')).toEqual([{ failure: waits.context.lastFailure }]);
    const again = [...answered, overdue, { type: 'timer.backoff' } as const, granted, succeeded(2)];
    expect(after({}, ...again, valid).value).toBe('valid');
    const over = after({}, ...again, overdue);
    expect([over.value, over.end?.code]).toEqual(['failed', 'timeout']);
  });

  it('that comes after its attempt was given up counts for nothing', () => {
    const late = after({}, ...answered, overdue, valid);
    expect([late.value, late.asked]).toEqual([{ attempting: 'backingOff' }, []]);
  });
});

describe('a stop', () => {
  it('during a call aborts it with its cause, and the end waits for it', () => {
    const stopping = after({}, ...calling, stop('loser'));
    expect([stopping.value, stopping.params('abortCalls')]).toEqual(['settling', [{ cause: 'loser' }]]);
    expect(stopping.params('armTimer')).toEqual([GRACE]);
    const over = after({}, ...calling, stop('loser'), failed(1));
    expect([over.value, over.asked]).toEqual(['cancelled', ['disarmTimer', 'finish']]);
  });

  it('during a call that ignores its signal ends when the grace is over', () => {
    const over = after({}, ...calling, stop('timed_out'), grace);
    expect([over.value, over.asked]).toEqual(['cancelled', ['abandonCalls', 'disarmTimer', 'finish']]);
  });

  it('during a call beats the answer that comes after it', () => {
    expect(after({}, ...calling, stop('loser'), succeeded(1)).value).toBe('cancelled');
  });

  it('during back-off or a wait ends it at once', () => {
    for (const events of [
      [...calling, failed(1)],
      [turn, waiting('slot')],
      [turn, waiting('breaker')],
    ]) {
      const over = after({}, ...events, stop('cancelled'));
      expect([over.value, over.asked.at(-1)]).toEqual(['cancelled', 'finish']);
    }
  });

  it('while its answer is checked only bounds how long that may take', () => {
    const bounded = after({}, ...answered, stop('loser'));
    expect([bounded.value, bounded.asked]).toEqual(['validating', ['armTimer']]);
    expect(bounded.params('armTimer')).toEqual([GRACE]);
    expect(after({}, ...answered, stop('loser'), valid).value).toBe('valid');
    expect(after({}, ...answered, stop('loser'), invalid()).value).toBe('invalid');
    const over = after({}, ...answered, stop('loser'), grace);
    expect([over.value, over.end?.cause]).toEqual(['cancelled', 'loser']);
    expect(over.asked).toEqual(['disarmTimer', 'disarmTimer', 'finish']);
  });

  it('while its answer is checked counts once: a second one gives it no more time and no other cause', () => {
    const twice = after({}, ...answered, stop('budget_exceeded'), stop('cancelled'));
    expect([twice.value, twice.asked]).toEqual(['validating', []]);
    const over = after({}, ...answered, stop('budget_exceeded'), stop('cancelled'), grace);
    expect([over.value, over.end?.cause]).toEqual(['cancelled', 'budget_exceeded']);
  });

  it('while its answer is checked rules out another call, though it might have helped', () => {
    const over = after({}, ...answered, stop('loser'), invalid(true));
    expect(over.asked).not.toContain('announceRetry');
    expect([over.value, over.end]).toEqual(['invalid', null]);
    expect(over.context.failures).toMatchObject([{ attempt: 1, category: 'invalid_output' }]);
    const slow = after({}, ...answered, stop('loser'), overdue);
    expect([slow.value, slow.end?.cause]).toEqual(['cancelled', 'loser']);
  });

  it('while its answer is checked is why it ends, though its own limit comes before the grace is over', () => {
    const over = after({}, ...answered, stop('cancelled'), tooLong);
    expect([over.value, over.end?.code, over.end?.cause]).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  it('while the loser of a hedge settles bounds the check of the answer that won', () => {
    const stopping = after(hedged, ...racing, succeeded(2), stop('cancelled'));
    expect([stopping.value, stopping.asked]).toEqual(['settling', []]);
    const stopped = [...racing, succeeded(2), stop('cancelled'), failed(1)];
    const bounded = after(hedged, ...stopped);
    expect([bounded.value, bounded.params('armTimer').at(-1)]).toEqual(['validating', GRACE]);
    expect(bounded.isArmed('grace')).toBe(true);
    const over = after(hedged, ...stopped, grace);
    expect([over.value, over.end?.cause]).toEqual(['cancelled', 'cancelled']);
    expect(after(hedged, ...stopped, valid).value).toBe('valid');
    expect(after(hedged, ...stopped, invalid(true)).value).toBe('invalid');
  });
});

describe('its own limits', () => {
  it('of time: its call is aborted, it has failed, and a late answer counts for nothing', () => {
    const late = after({}, ...calling, tooLong);
    expect([late.value, late.params('abortCalls')]).toEqual(['settling', [{ cause: 'timeout' }]]);
    const over = after({}, ...calling, tooLong, succeeded(1));
    expect([over.value, over.end?.code]).toEqual(['failed', 'timeout']);
    expect(over.end?.why).toContain('`replicateTimeoutMs`');
    expect(over.end?.why).toContain('`perReplicateBudget.ms`');
  });

  it('of time: an answer that is being checked then is given up at once', () => {
    const over = after({}, ...answered, tooLong);
    expect([over.value, over.end?.code, over.params('finish')]).toEqual([
      'failed',
      'timeout',
      [{ status: 'failed' }],
    ]);
  });

  it('of time: an answer that has won its race is given up too, once the loser has settled', () => {
    const late = [...racing, succeeded(2), tooLong];
    const waits = after(hedged, ...late);
    expect([waits.value, waits.asked, waits.end?.code]).toEqual(['settling', [], 'timeout']);
    expect(after(hedged, ...late, failed(1)).value).toBe('failed');
    expect(after(hedged, ...late, grace).value).toBe('failed');
    const stopped = after(hedged, ...racing, succeeded(2), stop('cancelled'), tooLong, failed(1));
    expect([stopped.value, stopped.end?.cause]).toEqual(['cancelled', 'cancelled']);
  });

  it('of budget: its call is aborted, and it has failed for that', () => {
    const spent = after({}, ...calling, tooDear);
    expect([spent.value, spent.params('abortCalls')]).toEqual(['settling', [{ cause: 'budget_exceeded' }]]);
    const over = after({}, ...calling, tooDear, failed(1));
    expect([over.value, over.end?.code]).toEqual(['failed', 'budget_exceeded']);
    expect(over.end?.why).toContain('`perReplicateBudget`');
    expect(after({}, turn, tooDear).end?.code).toBe('budget_exceeded');
  });

  it('of budget: is no matter once a call has answered, while the one it raced settles', () => {
    const spent = after(hedged, ...racing, succeeded(2), tooDear);
    expect([spent.value, spent.asked, spent.end, spent.context.late]).toEqual(['settling', [], null, null]);
    expect(after(hedged, ...racing, succeeded(2), tooDear, failed(1), valid).value).toBe('valid');
  });

  it('of one attempt: it is tried again', () => {
    expect(after({}, ...calling, overdue, failed(1)).value).toEqual({ attempting: 'backingOff' });
  });

  it('that come after a stop, or a stop after them, change nothing', () => {
    const first = after({}, ...calling, tooLong, stop('cancelled'), tooDear);
    expect([first.end?.code, first.asked]).toEqual(['timeout', []]);
    expect(after({}, ...calling, tooLong, stop('cancelled'), failed(1)).value).toBe('failed');
    const second = after({}, ...calling, stop('loser'), tooLong);
    expect([second.end?.cause, second.asked]).toEqual(['loser', []]);
    expect(after({}, ...calling, stop('loser'), tooLong, failed(1)).value).toBe('cancelled');
    const third = after({}, ...calling, stop('loser'), stop('cancelled'));
    expect([third.end?.cause, third.asked]).toEqual(['loser', []]);
  });

  it('rule out a retry that could not be made before them', () => {
    const near: ReplicateChartEvent = { type: 'turn.granted', timesOutAt: T0 + 100, deadlineAt: T0 + 100 };
    const over = after({}, near, granted, failed(1));
    expect([over.value, over.end?.code]).toEqual(['failed', 'gave_up']);
  });
});

describe('the deadline of its run', () => {
  const turnOf = (timesOutAt: number | null, deadlineAt: number | null): ReplicateChartEvent => ({
    type: 'turn.granted',
    timesOutAt,
    deadlineAt,
  });

  it.each([
    [T0 + 500, T0 + 90, T0 + 90],
    [T0 + 90, T0 + 500, T0 + 90],
    [T0 + 90, null, T0 + 90],
    [null, T0 + 90, T0 + 90],
    [null, null, null],
  ])('is kept where it comes before its own limit: limit %s, deadline %s', (limit, deadlineAt, at) => {
    const begun = after({}, turnOf(limit, deadlineAt));
    expect(begun.context).toMatchObject({ timesOutAt: limit, deadlineAt: at });
    expect(begun.params('armTimer')).toEqual([{ timer: 'replicate', at: limit ?? Infinity }]);
  });

  it.each([
    [T0 + 500, T0 + 300, T0 + 300],
    [T0 + 500, T0 + 900, T0 + 500],
    [T0 + 500, null, T0 + 500],
    [null, T0 + 300, T0 + 300],
    [null, null, null],
  ])('may move, and is kept likewise: limit %s, moved to %s', (limit, to, at) => {
    const moved = after({}, turnOf(limit, T0 + 90), granted, extended(to));
    expect([moved.value, moved.asked]).toEqual([{ attempting: 'calling' }, []]);
    expect(moved.context).toMatchObject({ timesOutAt: limit, deadlineAt: at });
  });

  it('rules out a retry that could not be made before it, and no other once it has moved', () => {
    const near = [turnOf(T0 + 500, T0 + 90), granted];
    const over = after({}, ...near, failed(1));
    expect([over.value, over.end?.code]).toEqual(['failed', 'gave_up']);
    expect(after({}, ...near, extended(T0 + 300), failed(1)).value).toEqual({ attempting: 'backingOff' });
    expect(after({}, ...near, extended(null), failed(1)).value).toEqual({ attempting: 'backingOff' });
    const limited = after({}, turnOf(T0 + 80, T0 + 90), granted, extended(null), failed(1));
    expect([limited.value, limited.end?.code]).toEqual(['failed', 'gave_up']);
  });

  it('that moves while an answer is checked counts for the call after it', () => {
    const near = [turnOf(T0 + 500, T0 + 90), granted, succeeded(1)];
    expect(after({}, ...near, invalid(true)).value).toBe('invalid');
    expect(after({}, ...near, extended(T0 + 300), invalid(true)).value).toEqual({ attempting: 'backingOff' });
  });

  it('that moves while it waits for its turn is what the turn says', () => {
    const begun = after({}, extended(T0 + 50), turnOf(T0 + 500, T0 + 300));
    expect(begun.context.deadlineAt).toBe(T0 + 300);
  });
});

describe('a hedge', () => {
  it('that wins lets the other call settle, aborted as the loser, before the answer is checked', () => {
    const won = after(hedged, ...racing, succeeded(2));
    expect([won.value, won.params('abortCalls')]).toEqual(['settling', [{ cause: 'loser' }]]);
    const settled = after(hedged, ...racing, succeeded(2), failed(1));
    expect([settled.value, settled.asked]).toEqual([
      'validating',
      ['disarmTimer', 'validateAnswer', 'armTimer', 'armTimer'],
    ]);
    expect(after(hedged, ...racing, succeeded(2), failed(1), valid).value).toBe('valid');
  });

  it('that wins leaves a call behind that does not settle', () => {
    const left = after(hedged, ...racing, succeeded(1), grace);
    expect([left.value, left.asked[0]]).toEqual(['validating', 'abandonCalls']);
  });

  it('that wins is no answer any more when a limit had come first', () => {
    expect(after(hedged, ...racing, tooLong, succeeded(2), failed(1)).value).toBe('failed');
  });
});

describe('without an answer', () => {
  it('a refusal fails it, with what the refusal said', () => {
    const over = after({}, turn, refused('breaker_open'));
    expect([over.value, over.params('finish')]).toEqual(['failed', [{ status: 'failed' }]]);
    expect(over.end).toMatchObject({ code: 'breaker_open', why: 'breaker_open', retryAfterMs: 7 });
  });

  it('a refusal of the next try fails it, though the answer before was not valid', () => {
    const again = [...answered, invalid(true), { type: 'timer.backoff' } as const];
    const over = after({}, ...again, refused('breaker_open'));
    expect([over.value, over.end?.code]).toEqual(['failed', 'breaker_open']);
  });

  it('spent retries fail it, with the last failure and why nothing more was tried', () => {
    const last = [...calling, failed(1), { type: 'timer.backoff' } as const, granted, failed(2)];
    const over = after({}, ...last);
    expect([over.value, over.end?.code]).toEqual(['failed', 'server']);
    expect(over.end?.why).toContain('`maxRetries`');
    expect(over.context.failures.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('a failure that no retry would help fails it at once', () => {
    const over = after({}, ...calling, failed(1, FATAL));
    expect([over.value, over.end?.code]).toEqual(['failed', 'validation']);
  });
});
