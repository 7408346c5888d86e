import { getNextSnapshot, transition } from 'xstate';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleMachine, type BundleChartEvent } from '../../src/machines/index.js';
import { bundleWalkPlans, ended, grace, hurry, inFlight, keyOf, made, stop } from './bundle.walks.js';
import { Coverage, isPlainJson, Walks, type Walk, type WalkStep } from './coverage.js';

type BundleWalk = Walk<typeof bundleMachine>;
type BundleStep = WalkStep<typeof bundleMachine>;

const GRACE = { timer: 'grace', inMs: 10 };

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
    expect(coverage.size).toBeGreaterThanOrEqual(25);
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

  it('the summary is made in reducing only: asked for on entering and when the grace is over, from then on plainly', () => {
    always(({ steps }) => {
      let isOver = false;
      for (const step of steps) {
        const isActive = step.before !== undefined && !step.before.matches('collecting');
        const passes = isActive && step.event.type === 'timer.grace';
        isOver ||= passes;
        const entered = step.after.matches('reducing') && !step.before?.matches('reducing');
        const isAsked = entered || (passes && step.before.matches('reducing'));
        expect(asks(step, 'summarise').map(({ params }) => params)).toEqual(
          isAsked ? [{ plain: isOver }] : [],
        );
      }
    });
    everyStep((step) => {
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

  it('the grace begins with the first limit, once, and is disarmed when the reduction is over', () => {
    always((walked) => {
      let isHurried = false;
      for (const step of walked.steps) {
        const isFirst: boolean = !isHurried && limits(step);
        isHurried ||= isFirst;
        expect(asks(step, 'armTimer').map(({ params }) => params)).toEqual(isFirst ? [GRACE] : []);
        expect(step.after.context.isHurried).toBe(isHurried);
        const isOver = step.before?.matches('reducing') && step.after.status === 'done';
        expect(asks(step, 'disarmTimer').map(({ params }) => params)).toEqual(
          isOver ? [{ timer: 'grace' }] : [],
        );
      }
    });
  });

  it('is late once the grace has passed before the reduction, and for nothing else', () => {
    everyStep(({ event, before, after }) => {
      const passes = event.type === 'timer.grace' && before?.matches('draining') === true;
      expect(after.context.isLate).toBe(passes || before?.context.isLate === true);
      if (after.context.isLate) expect(after.context.isHurried).toBe(true);
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
    for (const { asked, snapshot } of activeStates().map((state) => drained(state))) {
      expect(asked.filter(({ type }) => type === 'summarise').length).toBeLessThanOrEqual(1);
      const [, late] = transition(bundleMachine, snapshot, grace);
      expect(late).toMatchObject([{ type: 'summarise', params: { plain: true } }]);
    }
  });

  it('a limit arms the one grace for draining and reducing; where it runs already nothing arms it anew', () => {
    for (const state of activeStates()) {
      const armed = drained(state).asked.filter(({ type }) => type === 'armTimer');
      expect(armed.map(({ params }) => params)).toEqual(state.context.isHurried ? [] : [GRACE]);
    }
  });

  it('a grace that passes while replicates settle leads to a plain reduction at once', () => {
    const states = activeStates().filter(({ context }) => inFlight(context) > 0);
    expect(states.length).toBeGreaterThan(10);
    for (const state of states) {
      const { asked, snapshot } = drained(state, grace);
      expect(snapshot.context.isLate).toBe(true);
      expect(asked.filter(({ type }) => type === 'summarise')).toMatchObject([{ params: { plain: true } }]);
    }
  });
});

/** Whether a step brings a limit that counts: after a `hurry` while it asks, the run stops it. */
function limits({ event, before }: BundleStep): boolean {
  if (before?.status !== 'active') return false;
  return event.type === 'stop' || (event.type === 'hurry' && !before.matches('collecting'));
}

/** What follows a limit until all replicates have settled; `meanwhile` comes first. */
function drained(state: BundleStep['after'], ...meanwhile: BundleChartEvent[]) {
  const limit = state.matches('collecting') ? stop('timed_out') : hurry;
  let [snapshot, asked] = transition(bundleMachine, state, limit);
  const all = [...asked];
  const next = (event: BundleChartEvent) => {
    expect(snapshot.value).toBe('draining');
    [snapshot, asked] = transition(bundleMachine, snapshot, event);
    all.push(...asked);
  };
  meanwhile.forEach(next);
  while (inFlight(snapshot.context) > 0) next(ended);
  expect(snapshot.value).toBe('reducing');
  return { snapshot, asked: all };
}
