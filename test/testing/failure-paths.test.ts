import { assign, createMachine, fromPromise, setup } from 'xstate';
import { describe, expect, it } from 'vitest';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../src/machines/index.js';
import { coverage, failurePaths, type FailurePath } from '../../src/testing/index.js';
import { isPlainJson } from '../machines/coverage.js';

const CHARTS = [runMachine, breakerMachine, budgetMachine, bundleMachine, replicateMachine];
const ALL_KINDS = ['failing', 'degraded', 'cancelled', 'good'] as const;

describe.each(CHARTS.map((chart) => [chart.id, chart] as const))('paths of the %s chart', (_id, chart) => {
  const paths = failurePaths(chart as typeof runMachine) as FailurePath[];

  it('walk every state and transition, with those on which nothing is wrong', () => {
    const all = failurePaths(chart as typeof runMachine, { kinds: ALL_KINDS });
    const walked = coverage(chart, all);
    expect(walked.transitions.unwalked).toEqual([]);
    expect(walked.states.unwalked).toEqual([]);
    expect(walked.isComplete).toBe(true);
    expect(walked.transitions.total).toBeGreaterThanOrEqual(11);
  });

  it('are plain JSON, each with an id and a story of its own', () => {
    expect(isPlainJson(paths)).toBe(true);
    expect(new Set(paths.map(({ id }) => id)).size).toBe(paths.length);
    for (const { story } of paths) expect(story).not.toMatch(/undefined|null|#|\|/);
  });

  it('meet something wrong, and end in an end of the chart where it has one', () => {
    const hasEnds = chart !== (breakerMachine as unknown) && chart !== (budgetMachine as unknown);
    for (const { troubles, end } of paths) {
      expect(troubles.length).toBeGreaterThan(0);
      expect(end.kind).not.toBe('good');
      if (hasEnds) expect(end.isFinal).toBe(true);
    }
  });

  it('with cover "transitions" are fewer, and walk as much', () => {
    const few = failurePaths(chart as typeof runMachine, { cover: 'transitions' });
    expect(few.length).toBeLessThan(paths.length);
    expect(coverage(chart, few)).toEqual(coverage(chart, paths));
  });

  it('with cover "states" reach every state that is wrong', () => {
    const wrong = (all: readonly FailurePath[]) =>
      new Set(all.flatMap(({ troubles }) => troubles.map(({ state }) => state)));
    const few = failurePaths(chart as typeof runMachine, { cover: 'states' }) as FailurePath[];
    expect(wrong(few)).toEqual(wrong(paths));
    expect(few.length).toBeLessThanOrEqual(wrong(paths).size);
  });

  it('of one kind are those that meet it', () => {
    const cancelled = failurePaths(chart as typeof runMachine, { kinds: ['cancelled'] }) as FailurePath[];
    expect(
      cancelled
        .flatMap(({ troubles }) => troubles.map(({ kind }) => kind))
        .every((kind) => kind === 'cancelled'),
    ).toBe(true);
    const wanted = paths.filter(({ troubles }) => troubles.some(({ kind }) => kind === 'cancelled'));
    expect(cancelled.map(({ steps }) => steps)).toEqual(wanted.map(({ steps }) => steps));
  });
});

describe('paths of the run chart', () => {
  const stories = failurePaths(runMachine).map(({ story }) => story);

  it.each([
    'two 503s, the breaker opens, b is tried instead, the fallback answers: completed',
    'two 503s, b is tried instead, the fallback answers: completed',
    'a 503, it is cancelled in back-off: cancelled',
    'its deadline passes in the middle of a call, its call ignores the abort: timed_out',
    'another process holds the key, a answers: completed',
    'waits out a cooldown, it is cancelled in a cooldown: cancelled',
    '2 branches (all), x ends failed, y ends cancelled: failed',
    'the planner fails: rejected',
  ])('tell: %s', (story) => {
    expect(stories).toContain(story);
  });

  it('say where the chart is after each event, what it entered on the way, and what was wrong', () => {
    const path = failurePaths(runMachine).find(
      ({ story }) =>
        story === 'two 503s, the breaker opens, b is tried instead, the fallback answers: completed',
    )!;
    expect(path.start).toBe('attempting.awaiting.admission');
    expect(path.steps.map(({ event, state }) => [event.type, state])).toEqual([
      ['attempt.granted', 'attempting.calling'],
      ['call.failed', 'attempting.backingOff'],
      ['timer.backoff', 'attempting.awaiting.admission'],
      ['attempt.granted', 'attempting.calling'],
      ['call.failed', 'attempting.awaiting.admission'],
      ['attempt.granted', 'attempting.calling'],
      ['call.succeeded', 'completed'],
    ]);
    expect(path.steps[4]!.entered).toEqual([
      'attempting.judging',
      'attempting.exhausted',
      'fallingOver',
      'dispatching',
      'attempting',
      'attempting.awaiting',
      'attempting.awaiting.admission',
    ]);
    expect(path.troubles).toEqual([
      { state: 'attempting.judging', kind: 'degraded' },
      { state: 'attempting.backingOff', kind: 'degraded' },
      { state: 'attempting.exhausted', kind: 'degraded' },
      { state: 'fallingOver', kind: 'degraded' },
    ]);
    expect(path.end).toEqual({ state: 'completed', kind: 'degraded', isFinal: true });
  });

  it('say which of them the runtime never goes', () => {
    const never = failurePaths(runMachine).filter(({ unreachable }) => unreachable !== undefined);
    expect(new Set(never.map(({ unreachable }) => unreachable))).toEqual(
      new Set([
        'a caller leaves once',
        'a breaker says itself when its time is up, before the timer of who waits for it',
      ]),
    );
    expect(never.length).toBeLessThan(20);
  });

  it('are of the input given', () => {
    const input = { ...(failurePaths(runMachine)[0]!.input as object), maxAttempts: 1 } as never;
    const paths = failurePaths(runMachine, { input, cover: 'transitions' });
    expect(new Set(paths.map(({ beginning }) => beginning))).toEqual(new Set(['given']));
    const calls = paths.map(
      ({ steps }) => steps.filter(({ event }) => event.type === 'attempt.granted').length,
    );
    expect(Math.max(...calls)).toBe(1);
  });
});

describe('the good paths', () => {
  it('are those on which nothing is wrong, and no others', () => {
    const good = failurePaths(runMachine, { kinds: ['good'] });
    expect(good.map(({ story }) => story)).toContain('a answers: completed');
    expect(good.every(({ troubles, end }) => troubles.length === 0 && end.kind === 'good')).toBe(true);
    const all = failurePaths(runMachine, { kinds: ALL_KINDS });
    expect(good.length + failurePaths(runMachine).length).toBe(all.length);
  });
});

describe('coverage', () => {
  it('names what no path walked', () => {
    const one = failurePaths(runMachine, { cover: 'states', kinds: ['cancelled'] }).slice(0, 1);
    const walked = coverage(runMachine, one);
    expect(walked.isComplete).toBe(false);
    expect(walked.states.unwalked).toContain('failed');
    expect(walked.states.unwalked).not.toContain('cancelled');
    expect(walked.transitions.unwalked).toContain(
      'attempting.backingOff -- timer.backoff -> attempting.awaiting',
    );
    expect(walked.transitions.walked + walked.transitions.unwalked.length).toBe(walked.transitions.total);
    expect(coverage(runMachine, []).states.walked).toBe(0);
  });
});

describe('a machine of the user', () => {
  const order = setup({
    types: {} as { context: { tries: number } },
    actors: { run: runMachine, charge: fromPromise(async () => 'paid') },
    actions: { count: assign({ tries: ({ context }) => context.tries + 1 }) },
    guards: { isSpent: ({ context }) => context.tries >= 1 },
    delays: { patience: 1000 },
  }).createMachine({
    id: 'order',
    context: { tries: 0 },
    initial: 'asking',
    states: {
      asking: {
        invoke: {
          id: 'answer',
          src: 'run',
          input: {} as never,
          onDone: [
            { guard: ({ event }) => event.output.status === 'completed', target: 'charging' },
            { guard: 'isSpent', target: 'refused' },
            { target: 'asking', reenter: true, actions: 'count' },
          ],
        },
        on: { withdraw: 'withdrawn' },
      },
      charging: {
        invoke: { id: 'charge', src: 'charge', onDone: 'paid', onError: 'refused' },
        after: { patience: 'late' },
      },
      late: { tags: ['degraded'], on: { nudge: 'charging' } },
      paid: { type: 'final' },
      refused: { type: 'final', tags: ['failing'] },
      withdrawn: { type: 'final', tags: ['cancelled'] },
    },
  });

  it('has paths through every way in which ours inside it can end', () => {
    const stories = failurePaths(order, { cover: 'steps' }).map(({ story }) => story);
    expect(stories).toEqual(
      expect.arrayContaining([
        'answer ends partial, answer ends timed_out: refused',
        'answer ends partial (2 times): refused',
        'answer ends rejected, withdraw: withdrawn',
        'answer ends completed, charge fails: refused',
        'answer ends completed, patience passes, nudge, charge answers: paid',
        'withdraw: withdrawn',
      ]),
    );
    expect(coverage(order, failurePaths(order, { kinds: ALL_KINDS })).isComplete).toBe(true);
  });

  it('may say what is wrong in its states, what can happen, and how to tell it', () => {
    const paths = failurePaths(order, {
      kindOf: (state) => (state === 'charging' ? 'degraded' : undefined),
      events: (snapshot) =>
        snapshot.matches('asking')
          ? [{ type: 'xstate.done.actor.answer', output: { status: 'completed' } } as never]
          : [],
      tell: ({ event }) => (event.type.includes('answer') ? 'there is an answer' : undefined),
    });
    expect(paths.map(({ story, end }) => [story, end])).toEqual([
      ['there is an answer: charging', { state: 'charging', kind: 'degraded', isFinal: false }],
    ]);
  });

  it('may have its children written in place', () => {
    const plain = createMachine({
      id: 'plain',
      initial: 'asking',
      states: {
        asking: {
          invoke: {
            id: 'answer',
            src: runMachine,
            input: {} as never,
            onDone: [{ guard: ({ event }) => event.output.status === 'completed', target: 'done' }, 'byHand'],
          },
        },
        byHand: { tags: ['degraded'], type: 'final' },
        done: { type: 'final' },
      },
    });
    expect(failurePaths(plain).map(({ story }) => story)).toContain('answer ends timed_out: byHand');
  });

  it('that cannot begin without an input says so', () => {
    const needy = setup({ types: {} as { context: { n: number }; input: { n: number } } }).createMachine({
      id: 'needy',
      context: ({ input }) => ({ n: input.n }),
    });
    expect(() => failurePaths(needy)).toThrow('The chart "needy" cannot begin');
    expect(failurePaths(needy, { input: { n: 1 } })).toEqual([]);
  });

  it('is never in a history state', () => {
    const remembering = createMachine({
      id: 'remembering',
      initial: 'work',
      states: {
        work: {
          initial: 'a',
          states: { a: { on: { next: 'b' } }, b: {}, h: { type: 'history' } },
          on: { pause: 'paused' },
        },
        paused: { tags: ['degraded'], on: { resume: 'work.h' } },
      },
    });
    expect(coverage(remembering, failurePaths(remembering, { kinds: ALL_KINDS })).states.unwalked).toEqual(
      [],
    );
  });

  it('is never started, nor are its children', () => {
    let started = 0;
    const loud = order.provide({
      actors: { charge: fromPromise(async () => (started += 1) && 'paid') as never },
    });
    expect(failurePaths(loud).length).toBeGreaterThan(5);
    expect(started).toBe(0);
  });
});

describe('options that cannot be used', () => {
  it.each([
    [{ cover: 'most' }, 'Option `options.cover` is not valid'],
    [{ kinds: ['bad'] }, 'Option `options.kinds.0` is not valid'],
    [{ kinds: 'failing' }, 'Option `options.kinds` is not valid'],
    [{ kindOf: 'tags' }, 'Option `options.kindOf` is not valid: must be a function; got "tags".'],
    [{ limit: 0 }, 'Option `options.limit` is not valid'],
    [{ limit: NaN }, 'Option `options.limit` is not valid'],
    [{ covers: 'steps' }, 'Unknown option `options.covers`. Check the spelling, or leave it out.'],
  ])('%j', (options, message) => {
    expect(() => failurePaths(runMachine, options as never)).toThrow(message);
  });

  it('a chart that is none', () => {
    expect(() => failurePaths({} as never)).toThrow('failurePaths() and coverage() take an XState machine');
    expect(() => coverage(null as never, [])).toThrow('failurePaths() and coverage() take an XState machine');
  });

  it('a chart whose situations do not end', () => {
    const counter = setup({
      types: {} as { context: { n: number }; events: { type: 'more' } },
      actions: { add: assign({ n: ({ context }) => context.n + 1 }) },
    }).createMachine({ id: 'counter', context: { n: 0 }, on: { more: { actions: 'add' } } });
    expect(() => failurePaths(counter, { limit: 1000 })).toThrow(
      'The chart "counter" has more than 1000 situations. Give a `key` that leaves out what grows, narrow `events`, or raise `limit`.',
    );
  });
});
