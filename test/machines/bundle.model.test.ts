import { getNextSnapshot, transition } from 'xstate';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleMachine, type BundleChartEvent } from '../../src/machines/index.js';
import { bundleWalkPlans, ended, grace, inFlight, keyOf, made, stop } from './bundle.walks.js';
import { Coverage, isPlainJson, Walks, type Walk, type WalkStep } from './coverage.js';

type BundleWalk = Walk<typeof bundleMachine>;
type BundleStep = WalkStep<typeof bundleMachine>;

const coverage = new Coverage(bundleMachine);
let walks: Walks<typeof bundleMachine>;

beforeAll(() => {
  walks = new Walks(bundleMachine, bundleWalkPlans(), coverage);
}, 60_000);

const always = (check: (walked: BundleWalk) => void) => walks.always(check);
const everyStep = (check: (step: BundleStep) => void) => walks.everyStep(check);

/** Every state that is not an end, each way of standing in it once. */
function activeStates(): BundleStep['after'][] {
  const states = new Map<string, BundleStep['after']>();
  for (const { after } of walks.all.flatMap(({ steps }) => steps)) {
    if (after.status === 'active') states.set(JSON.stringify(keyOf(after)), after);
  }
  return [...states.values()];
}

const asks = (step: BundleStep, type: string) => step.asked.filter((action) => action.type === type);
const allAsked = ({ steps }: BundleWalk, type: string) => steps.flatMap((step) => asks(step, type));
const countOf = ({ steps }: BundleWalk, type: string) =>
  steps.filter(({ before, event }) => event.type === type && before?.can(event as BundleChartEvent)).length;

describe('every transition of the bundle chart', () => {
  it('is walked', () => {
    expect(coverage.size).toBeGreaterThanOrEqual(18);
    expect(walks.all.length).toBeGreaterThan(100);
    expect(coverage.unwalked).toEqual([]);
  });
});

describe('on every generated path of the bundle chart', () => {
  it('the context is plain JSON in every state', () => {
    everyStep(({ after }) => {
      if (!isPlainJson(after.context)) expect(after.context).toBe('plain JSON');
    });
  });

  it('rounds and issued count the batches asked for, less what was taken back', () => {
    always((walked) => {
      const sizes = allAsked(walked, 'issueBatch').map(({ params }) => params['size'] as number);
      const takenBack = walked.steps
        .filter(({ before }) => before?.matches('draining'))
        .map(({ event }) => (event.type === 'batch.withdrawn' ? event.count : 0));
      const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
      const { rounds, issued } = walked.end.context;
      expect([rounds, issued]).toEqual([sizes.length, sum(sizes) - sum(takenBack)]);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
    });
  });

  it('a batch is asked for at the start and after a tally that says go on, never else', () => {
    everyStep((step) => {
      const { event, before } = step;
      const goesOn = event.type === 'batch.tallied' && event.stop === null && before?.matches('collecting');
      const size = event.type === 'batch.tallied' ? event.next : step.after.context.next;
      const wanted = event.type === 'xstate.init' || goesOn ? [{ size }] : [];
      expect(asks(step, 'issueBatch').map(({ params }) => params)).toEqual(wanted);
    });
  });

  it('reduces only once every replicate has ended or was taken back', () => {
    everyStep(({ after }) => {
      expect(inFlight(after.context)).toBeGreaterThanOrEqual(0);
      if (after.matches('reducing') || after.status === 'done') expect(inFlight(after.context)).toBe(0);
    });
  });

  it('counts every replicate that ended', () => {
    always((walked) => {
      expect(walked.end.context.ended).toBe(countOf(walked, 'replicate.ended'));
    });
  });

  it('replicates are aborted once at the most: as losers by a rule, by its cause by a stop, never at the cap', () => {
    always((walked) => {
      const { stopReason, cut } = walked.end.context;
      const isLossy = stopReason !== null && stopReason !== 'cap';
      const wanted = cut !== null ? [{ cause: cut }] : isLossy ? [{ cause: 'loser' }] : [];
      expect(allAsked(walked, 'abortReplicates').map(({ params }) => params)).toEqual(wanted);
    });
  });

  it('the answer is announced as decided once, before it is reduced, and nothing is issued after it', () => {
    always((walked) => {
      const order = walked.steps.flatMap(({ asked }) => asked.map(({ type }) => type));
      const told = order.indexOf('announceDecided');
      expect(order.filter((type) => type === 'announceDecided').length).toBeLessThanOrEqual(1);
      if (walked.end.matches('collecting')) return expect(told).toBe(-1);
      expect(told).toBeGreaterThan(order.lastIndexOf('issueBatch'));
      if (order.includes('summarise')) expect(told).toBeLessThan(order.indexOf('summarise'));
    });
  });

  it('the summary is made in reducing only: asked for once on entering, plainly only when the grace is over', () => {
    everyStep((step) => {
      const entered = step.after.matches('reducing') && !step.before?.matches('reducing');
      expect(asks(step, 'summarise').length).toBe(entered ? 1 : 0);
      const isLate = step.event.type === 'timer.grace' && step.before?.matches('reducing');
      expect(asks(step, 'summarisePlainly').length).toBe(isLate ? 1 : 0);
      const moved = step.event.type === 'summary.made' && step.after.value !== step.before!.value;
      if (moved) expect([step.before!.value, step.after.status]).toEqual(['reducing', 'done']);
    });
  });

  it('finish is asked for exactly once, last of all, with the state it ended in', () => {
    always((walked) => {
      const finishes = allAsked(walked, 'finish').map(({ params }) => params['status']);
      expect(finishes).toEqual(walked.end.status === 'done' ? [walked.end.value] : []);
      if (finishes.length > 0) expect(walked.steps.at(-1)!.asked.at(-1)!.type).toBe('finish');
    });
  });

  it('it ends cut where it was stopped while asking, else as the evidence says', () => {
    always(({ steps, end }) => {
      if (end.status !== 'done') return;
      const { event } = steps.at(-1)!;
      const supported = event.type === 'summary.made' ? event.status : 'no summary';
      expect(end.value).toBe(end.context.cut === null ? supported : 'cut');
    });
  });

  it('the first cause decides: a rule, the cap or a stop, and none of them is changed later', () => {
    always(({ steps, end }) => {
      for (const { before, after } of steps) {
        if (!before || before.matches('collecting')) continue;
        const { stopReason, cut } = before.context;
        expect([after.context.stopReason, after.context.cut]).toEqual([stopReason, cut]);
      }
      expect([end.context.stopReason, end.context.cut]).toContain(null);
    });
  });

  it('the grace of a reduction runs exactly while it is cut short or hurried, and is disarmed before the end', () => {
    always(({ steps }) => {
      let armed = Infinity;
      for (const step of steps) {
        for (const { type, params } of step.asked) {
          if (type === 'armTimer') armed = params['inMs'] as number;
          if (type === 'disarmTimer') armed = Infinity;
        }
        const { cut, isHurried } = step.after.context;
        const wasHurried = isHurried || (step.event.type === 'hurry' && step.before?.matches('reducing'));
        if (!step.after.matches('reducing')) expect(armed).toBe(Infinity);
        else if (cut !== null || wasHurried) expect(armed).toBe(10);
      }
    });
  });

  it('an event that a state does not know changes nothing and asks for nothing', () => {
    everyStep(({ event, before, after, asked }) => {
      if (!before || before.can(event as BundleChartEvent)) return;
      expect([after.value, after.context, asked]).toEqual([before.value, before.context, []]);
    });
  });
});

describe('from every state of the bundle chart', () => {
  it('a stop ends it once its replicates have settled and their answers are reduced', () => {
    const states = activeStates();
    expect(states.length).toBeGreaterThan(20);
    for (const state of states) {
      let snapshot = getNextSnapshot(bundleMachine, state, stop('budget_exceeded'));
      while (inFlight(snapshot.context) > 0) {
        expect(snapshot.value).toBe('draining');
        snapshot = getNextSnapshot(bundleMachine, snapshot, ended);
      }
      expect(snapshot.value).toBe('reducing');
      const done = getNextSnapshot(bundleMachine, snapshot, made('partial'));
      expect(done.value).toBe(snapshot.context.cut === null ? 'partial' : 'cut');
      expect(state.context.cut ?? done.context.cut).toBe(done.context.cut);
      if (state.matches('collecting')) expect(done.context.cut).toBe('budget_exceeded');
    }
  });

  it('a limit leads to a reduction without the tool, however long the tool takes', () => {
    for (const state of activeStates()) {
      const isAsking = state.matches('collecting');
      const limit: BundleChartEvent = isAsking ? stop('timed_out') : { type: 'hurry' };
      let [snapshot, asked] = transition(bundleMachine, state, limit);
      while (inFlight(snapshot.context) > 0) {
        expect(snapshot.value).toBe('draining');
        [snapshot, asked] = transition(bundleMachine, snapshot, ended);
      }
      const armed = asked.filter(({ type }) => type === 'armTimer').map(({ params }) => params);
      expect(armed).toEqual([{ timer: 'grace', inMs: 10 }]);
      const [, late] = transition(bundleMachine, snapshot, grace);
      expect(late.map(({ type }) => type)).toEqual(['summarisePlainly']);
    }
  });
});
