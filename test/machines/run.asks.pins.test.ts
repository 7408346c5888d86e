import { describe, expect, it } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { makeFailure } from '../../src/core/classify.js';
import type { Candidate, RunChartEvent, RunContext, RunInput } from '../../src/machines/index.js';
import { runMachine } from '../../src/machines/index.js';

/** What a run asks of its runtime, word by word and in order. */

const T0 = 1_000_000;
const tool = (name: string, fields: Partial<Candidate> = {}): Candidate => ({
  tool: name,
  provider: name,
  idempotent: true,
  isBundle: false,
  maxRetries: 0,
  maxDelayMs: 500,
  hedgeAfterMs: null,
  ...fields,
});
const INPUT: RunInput = {
  runId: 'run',
  candidates: [tool('a')],
  isAdmitted: true,
  maxAttempts: 10,
  attemptTimeoutMs: 50,
  abortGraceMs: 10,
  deadlineAt: T0 + 900,
};

function after(input: Partial<RunInput>, ...sent: readonly RunChartEvent[]) {
  let [snapshot, actions] = initialTransition(runMachine, { ...INPUT, ...input });
  for (const event of sent) [snapshot, actions] = transition(runMachine, snapshot, event);
  return {
    value: snapshot.value,
    context: snapshot.context as RunContext,
    asked: actions.map(({ type, params }) => (params === undefined ? type : [type, params])),
  };
}

const granted: RunChartEvent = { type: 'attempt.granted', at: T0 };
const answered: RunChartEvent = { type: 'call.succeeded', call: 1 };
const failure = {
  ...makeFailure('server', { message: 'down' }),
  at: T0,
  delayMs: 100,
  retryBudgetAllows: true,
};
const failed = (call = 1): RunChartEvent => ({ type: 'call.failed', call, failure, committed: false });
const cancel: RunChartEvent = { type: 'cancel' };
const error = { name: 'E', code: 'planning_failed', message: 'm' };

const arm = (timer: string, fields: object) => ['armTimer', { timer, ...fields }];
const disarm = (timer: string) => ['disarmTimer', { timer }];
const finish = (status: string) => ['finish', { status }];
const leaveCall = [disarm('attempt'), disarm('hedge'), 'leaveQueues'];
const stopAll = (cause: string) => [
  ['abortCalls', { cause }],
  ['abortSteps', { cause }],
  ['abortBundle', { cause }],
  arm('grace', { inMs: 10 }),
];

describe('a run with its tool', () => {
  it('begins with nothing but what it was given', () => {
    expect(after({}).context).toEqual({
      runId: 'run',
      isAdmitted: true,
      candidate: 0,
      attempt: 0,
      calls: 0,
      inFlight: [],
      wakeAt: null,
      lastFailure: null,
      failures: [],
      refusal: null,
      candidates: [tool('a')],
      maxAttempts: 10,
      attemptTimeoutMs: 50,
      abortGraceMs: 10,
      deadlineAt: T0 + 900,
      soonest: null,
      steps: [],
      step: 0,
      policy: 'all',
      quorum: 1,
      bundle: null,
      bundleEnd: null,
      late: null,
      end: null,
    });
    expect(after({}).asked).toEqual(['acquire']);
  });

  it('calls it, and ends with the answer', () => {
    expect(after({}, granted).asked).toEqual([
      'leaveQueues',
      ['startCall', { call: 1, hedge: false }],
      arm('attempt', { inMs: 50 }),
      arm('hedge', { inMs: Infinity }),
    ]);
    expect(after({}, granted, answered).asked).toEqual([...leaveCall, finish('completed')]);
    expect(after({}, granted, { ...answered, partial: true } as RunChartEvent).asked).toEqual([
      ...leaveCall,
      finish('partial'),
    ]);
  });

  it('retries it after the delay', () => {
    const candidates = [tool('a', { maxRetries: 1 })];
    expect(after({ candidates }, granted, failed()).asked).toEqual([
      ...leaveCall,
      ['announceFailure', { failure: { ...failure, committed: false } }],
      ['announceRetry', { delayMs: 100, retryAfterMs: undefined }],
      arm('backoff', { at: T0 + 100 }),
    ]);
    expect(after({ candidates }, granted, failed(), { type: 'timer.backoff' }).asked).toEqual([
      disarm('backoff'),
      'acquire',
    ]);
  });

  it('fails with it', () => {
    const end = after({}, granted, failed());
    expect(end.asked.slice(-2)).toEqual([
      ['announceFailure', { failure: { ...failure, committed: false } }],
      finish('failed'),
    ]);
    expect(end.context.end).toEqual({
      status: 'failed',
      code: 'server',
      why: 'its 0 retries are spent (`maxRetries`)',
      retryAfterMs: null,
    });
  });

  it('falls over to the next, and says from which to which and why', () => {
    const candidates = [tool('a'), tool('b')];
    expect(after({ candidates }, granted, failed()).asked.slice(-2)).toEqual([
      ['announceFallback', { from: 'a', to: 'b', reason: 'server' }],
      'acquire',
    ]);
    const refused: RunChartEvent = {
      type: 'attempt.refused',
      refusal: { code: 'breaker_open', message: 'open', retryAfterMs: 7 },
    };
    const next = after({ candidates }, refused);
    expect(next.asked).toEqual([
      'leaveQueues',
      ['announceFallback', { from: 'a', to: 'b', reason: 'breaker_open' }],
      'acquire',
    ]);
    expect([next.context.soonest, next.context.candidate, next.context.refusal]).toEqual([7, 1, null]);
  });

  it('races a second call, whose answer ends it once the first has settled', () => {
    const candidates = [tool('a', { hedgeAfterMs: 20 })];
    const racing: RunChartEvent[] = [granted, { type: 'timer.hedge' }, { type: 'hedge.granted' }];
    expect(after({ candidates }, granted).asked.at(-1)).toEqual(arm('hedge', { inMs: 20 }));
    expect(after({ candidates }, ...racing.slice(0, 2)).asked).toEqual(['acquireHedge']);
    expect(after({ candidates }, ...racing).asked).toEqual([['startCall', { call: 2, hedge: true }]]);
    const won = after({ candidates }, ...racing, { type: 'call.succeeded', call: 2 });
    expect(won.asked).toEqual([...leaveCall, ...stopAll('loser')]);
    const over = after({ candidates }, ...racing, { type: 'call.succeeded', call: 2 }, failed(1));
    expect([over.asked, over.context.inFlight]).toEqual([[disarm('grace'), finish('completed')], []]);
  });

  it('lets a call that overran settle, or gives it up', () => {
    const overdue: RunChartEvent = { type: 'timer.attempt', failure, committed: false };
    expect(after({}, granted, overdue).asked).toEqual([
      ...leaveCall,
      ['abortCalls', { cause: 'timeout' }],
      arm('overrun', { inMs: 10 }),
    ]);
    const ends = [['announceFailure', { failure: { ...failure, committed: false } }], finish('failed')];
    expect(after({}, granted, overdue, answered).asked).toEqual([disarm('overrun'), ...ends]);
    expect(after({}, granted, overdue, failed()).asked).toEqual([disarm('overrun'), ...ends]);
    expect(after({}, granted, overdue, { type: 'timer.overrun' }).asked).toEqual([
      disarm('overrun'),
      'abandonCalls',
      ...ends,
    ]);
  });
});

describe('a run that waits', () => {
  it.each(['breaker', 'cooldown'] as const)('for a %s arms a timer, and asks again', (on) => {
    const waiting: RunChartEvent = { type: 'attempt.waiting', on, until: T0 + 50 };
    expect(after({}, waiting).asked).toEqual([arm('wait', { at: T0 + 50 })]);
    expect(after({}, waiting, { type: 'timer.wait' }).asked).toEqual([
      disarm('wait'),
      'leaveQueues',
      'acquire',
    ]);
    expect(after({}, waiting, granted).context.wakeAt).toBeNull();
  });

  it('for a key arms one too', () => {
    const held: RunChartEvent = { type: 'claim.held', until: T0 + 30 };
    expect(after({ isAdmitted: false }).asked).toEqual(['claimKey']);
    expect(after({ isAdmitted: false }, held).asked).toEqual([arm('wait', { at: T0 + 30 })]);
    expect(after({ isAdmitted: false }, held, { type: 'claim.won' }).asked).toEqual([
      disarm('wait'),
      'acquire',
    ]);
    expect(after({ isAdmitted: false }, held, { type: 'rejected', error }).asked).toEqual([
      disarm('wait'),
      finish('rejected'),
    ]);
  });
});

describe('a run that is stopped', () => {
  it.each<[RunChartEvent['type'], string]>([
    ['cancel', 'cancelled'],
    ['deadline.passed', 'timed_out'],
    ['budget.exceeded', 'budget_exceeded'],
  ])('by %s aborts its call, and ends %s', (type, status) => {
    const stop = { type } as RunChartEvent;
    expect(after({}, granted, stop).asked).toEqual([...leaveCall, ...stopAll(status)]);
    expect(after({}, granted, stop, failed()).asked).toEqual([disarm('grace'), finish(status)]);
    expect(after({}, granted, stop, answered).asked).toEqual([disarm('grace'), finish(status)]);
    expect(after({}, granted, stop, { type: 'timer.grace' }).asked).toEqual([
      'abandonCalls',
      disarm('grace'),
      finish(status),
    ]);
    expect(after({}, stop).asked).toEqual([
      'leaveQueues',
      ...stopAll(status),
      disarm('grace'),
      finish(status),
    ]);
  });

  it('is stopped by the first cause', () => {
    for (const type of ['deadline.passed', 'budget.exceeded', 'cancel'] as const) {
      const stopped = after({}, granted, cancel, { type });
      expect([stopped.asked, stopped.context.end?.status]).toEqual([[], 'cancelled']);
    }
  });

  it('may have its deadline moved', () => {
    expect(after({}, { type: 'deadline.extended', at: T0 + 5000 }).context.deadlineAt).toBe(T0 + 5000);
    expect(after({}, { type: 'deadline.extended', at: null }).context.deadlineAt).toBeNull();
  });
});

describe('a run without a plan', () => {
  const unplanned = { candidates: null };

  it('asks for one, and goes on with it', () => {
    expect(after(unplanned).asked).toEqual(['makePlan']);
    expect(after(unplanned, { type: 'planned', candidates: [tool('b')] }).asked).toEqual(['acquire']);
    expect(after(unplanned, { type: 'rejected', error }).asked).toEqual([finish('rejected')]);
    const won = after({ ...unplanned, isAdmitted: false }, { type: 'claim.won' });
    expect([won.asked, won.context.isAdmitted]).toEqual([['makePlan'], true]);
  });

  it.each(['completed', 'partial'] as const)('takes a stored answer: %s', (status) => {
    expect(after({ ...unplanned, isAdmitted: false }, { type: 'claim.stored', status }).asked).toEqual([
      finish(status),
    ]);
  });
});

describe('a chain', () => {
  const chain: RunChartEvent = { type: 'planned.chain', steps: ['one', 'two'] };
  const ended = (
    step: number,
    status: 'completed' | 'partial' | 'failed' | 'timed_out' = 'completed',
  ): RunChartEvent => ({
    type: 'step.ended',
    step,
    status,
    code: status === 'failed' ? 'server' : null,
  });
  const run = (...sent: RunChartEvent[]) => after({ candidates: null }, chain, ...sent);

  it('begins a step at a time', () => {
    expect(run().asked).toEqual([['startStep', { step: 0 }]]);
    expect(run().context).toMatchObject({ policy: 'all', quorum: 1 });
    expect(run().context.steps).toEqual([
      { name: 'one', status: 'running' },
      { name: 'two', status: null },
    ]);
    expect(run(ended(0, 'partial')).asked).toEqual([['startStep', { step: 1 }]]);
    expect(run(ended(0)).context).toMatchObject({
      step: 1,
      steps: [
        { name: 'one', status: 'completed' },
        { name: 'two', status: 'running' },
      ],
    });
    expect(run(ended(0), ended(1, 'partial')).asked).toEqual([finish('completed')]);
  });

  it('ends as the step does that has no answer', () => {
    const end = run(ended(0, 'failed'));
    expect(end.asked).toEqual([finish('failed')]);
    expect(end.context.end).toEqual({ status: 'failed', code: 'server', why: null, retryAfterMs: null });
    expect(run(ended(0), ended(1, 'timed_out')).asked).toEqual([finish('timed_out')]);
  });

  it('that is stopped waits for its step', () => {
    expect(run(cancel).asked).toEqual(stopAll('cancelled'));
    expect(run(cancel, ended(0, 'failed')).asked).toEqual([disarm('grace'), finish('cancelled')]);
    expect(run(cancel, { type: 'timer.grace' }).value).toBe('settling');
  });
});

describe('a parallel plan', () => {
  const plan = (policy: 'all' | 'first' | 'quorum', quorum: number): RunChartEvent => ({
    type: 'planned.parallel',
    steps: ['one', 'two'],
    policy,
    quorum,
  });
  const ended = (step: number, status: 'completed' | 'failed' = 'completed'): RunChartEvent => ({
    type: 'step.ended',
    step,
    status,
    code: null,
  });

  it('begins all branches, and ends when they have decided', () => {
    const begun = after({ candidates: null }, plan('all', 2));
    expect(begun.asked).toEqual(['startBranches']);
    expect(begun.context).toMatchObject({
      policy: 'all',
      quorum: 2,
      steps: [
        { name: 'one', status: 'running' },
        { name: 'two', status: 'running' },
      ],
    });
    expect(after({ candidates: null }, plan('all', 2), ended(1)).asked).toEqual([]);
    expect(after({ candidates: null }, plan('all', 2), ended(1), ended(0)).asked).toEqual([
      ...stopAll('loser'),
      disarm('grace'),
      finish('completed'),
    ]);
  });

  it('aborts the branches that it does not need', () => {
    const won = after({ candidates: null }, plan('first', 1), ended(1));
    expect(won.asked).toEqual(stopAll('loser'));
    expect(after({ candidates: null }, plan('first', 1), ended(1), ended(0, 'failed')).asked).toEqual([
      disarm('grace'),
      finish('completed'),
    ]);
  });
});

describe('a bundle', () => {
  const candidates = [tool('a', { isBundle: true }), tool('b')];
  const decided: RunChartEvent = { type: 'bundle.decided' };
  const noAnswer = { code: 'server', why: 'none answered', retryAfterMs: 9 } as const;
  const ended = (status: 'completed' | 'partial' | 'failed' | 'cut', committed = false): RunChartEvent => ({
    type: 'bundle.ended',
    status,
    end: status === 'failed' || status === 'cut' ? noAnswer : null,
    committed,
    failures: [{ tool: 'a', attempt: 1, category: 'server', message: 'down' }],
  });
  const run = (...sent: RunChartEvent[]) => after({ candidates }, ...sent);

  it('is begun, and ends the run as it ends', () => {
    const begun = run();
    expect([begun.asked, begun.value, begun.context.bundle]).toEqual([
      ['startBundle'],
      { bundling: 'asking' },
      'running',
    ]);
    expect(run(ended('completed')).asked).toEqual([finish('completed')]);
    expect(run(ended('partial')).asked).toEqual([finish('partial')]);
    expect(run(ended('completed')).context).toMatchObject({
      bundle: 'ended',
      bundleEnd: null,
      failures: [{ tool: 'a', attempt: 1, category: 'server', message: 'down' }],
    });
  });

  it('without an answer falls over, unless part of one was shown', () => {
    const next = run(ended('failed'));
    expect(next.asked).toEqual([['announceFallback', { from: 'a', to: 'b', reason: 'server' }], 'acquire']);
    expect([next.context.soonest, next.context.bundleEnd, next.context.candidate]).toEqual([9, null, 1]);
    const shown = run(ended('failed', true));
    expect(shown.asked).toEqual([finish('failed')]);
    expect(shown.context.bundleEnd).toEqual({ ...noAnswer, committed: true });
  });

  it('that is stopped settles first', () => {
    expect(run(cancel).asked).toEqual(stopAll('cancelled'));
    expect(run(cancel, { type: 'timer.grace' }).value).toBe('settling');
    expect(run(cancel, ended('cut')).asked).toEqual([disarm('grace'), finish('cancelled')]);
  });

  it('whose answer is known is hurried once', () => {
    expect(run(decided).value).toEqual({ bundling: 'reducing' });
    for (const type of ['cancel', 'deadline.passed'] as const) {
      expect(run(decided, { type }).asked).toEqual(['hurryBundle']);
      expect(run(decided, { type }, { type: 'cancel' }).asked).toEqual([]);
    }
    expect(run(decided, { type: 'budget.exceeded' }).asked).toEqual([]);
    expect(run(decided, cancel, ended('completed')).asked).toEqual([finish('completed')]);
    const cut = run(decided, { type: 'deadline.passed' }, cancel, ended('failed'));
    expect([cut.asked, cut.context.end?.code]).toEqual([[finish('timed_out')], 'deadline_exceeded']);
  });
});
