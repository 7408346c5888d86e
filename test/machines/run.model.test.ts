import { getNextSnapshot, transition } from 'xstate';
import { beforeAll, describe, expect, it } from 'vitest';
import { runMachine, type RunChartEvent, type RunContext } from '../../src/machines/index.js';
import { failed } from '../../src/testing/paths/attempt-events.js';
import { Coverage, isPlainJson, Walks, type Walk, type WalkStep } from './coverage.js';
import { bundleEnded, eventsIn, keyOf, noReplicateAnswered, runWalkPlans, shownInPart } from './run.walks.js';

type RunWalk = Walk<typeof runMachine>;
type RunStep = WalkStep<typeof runMachine>;

const coverage = new Coverage(runMachine);
let walks: Walks<typeof runMachine>;

beforeAll(() => {
  walks = new Walks(runMachine, runWalkPlans(), coverage);
}, 60_000);

const always = (check: (walked: RunWalk) => void) => walks.always(check);
const everyStep = (check: (step: RunStep) => void) => walks.everyStep(check);

const asks = (step: RunStep, type: string) => step.asked.filter((action) => action.type === type);
const allAsked = (walked: RunWalk, type: string) => walked.steps.flatMap((step) => asks(step, type));
/** What is still to come in once a run has been stopped. */
function rest({ inFlight, steps, bundle }: RunContext): RunChartEvent[] {
  const cancelled = { status: 'cancelled', code: 'cancelled' } as const;
  const ends = steps.flatMap(({ status }, step): RunChartEvent[] =>
    status === 'running' ? [{ type: 'step.ended', step, ...cancelled }] : [],
  );
  return [
    ...inFlight.map((call) => failed(call)),
    ...ends,
    ...(bundle === 'running' ? [bundleEnded('cut')] : []),
  ];
}
const hasEnded = ({ end }: RunWalk) => end.status === 'done';

describe('every transition of the run chart', () => {
  it('is walked', () => {
    expect(coverage.size).toBeGreaterThanOrEqual(79);
    expect(walks.all.length).toBeGreaterThan(500);
    expect(coverage.unwalked).toEqual([]);
  });
});

describe('on every generated path of the run chart', () => {
  it('the context is plain JSON in every state', () => {
    everyStep(({ after }) => {
      if (!isPlainJson(after.context)) expect(after.context).toBe('plain JSON');
    });
  });

  it('a call starts only with the grant it was given, and a hedge only with a grant of its own', () => {
    everyStep((step) => {
      const grant =
        step.event.type === 'attempt.granted' || step.event.type === 'hedge.granted' ? step.event.type : null;
      const wanted = step.before?.can(step.event as RunChartEvent) && grant;
      const numbers = asks(step, 'startCall').map(({ params }) => params);
      const { calls } = step.after.context;
      expect(numbers).toEqual(wanted ? [{ call: calls, hedge: grant === 'hedge.granted' }] : []);
    });
  });

  it('calls are numbered from 1 without a gap and never exceed maxAttempts', () => {
    always((walked) => {
      const numbers = allAsked(walked, 'startCall').map(({ params }) => params['call']);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(numbers.length).toBeLessThanOrEqual(walked.end.context.maxAttempts);
    });
  });

  it('no candidate gets more calls of its own than its retries and one', () => {
    everyStep(({ after }) => {
      const { attempt, candidate, candidates } = after.context;
      expect(attempt).toBeLessThanOrEqual((candidates[candidate]?.maxRetries ?? 0) + 1);
    });
  });

  it('finish is asked for exactly once, last of all, with the state it ended in', () => {
    always((walked) => {
      const finishes = allAsked(walked, 'finish').map(({ params }) => params['status']);
      expect(finishes).toEqual(hasEnded(walked) ? [walked.end.value] : []);
      if (hasEnded(walked)) expect(walked.steps.at(-1)!.asked.at(-1)!.type).toBe('finish');
    });
  });

  it('nothing is in flight at an end', () => {
    always(({ end }) => {
      if (end.status !== 'done') return;
      expect(end.context.inFlight).toEqual([]);
      expect(end.context.steps.filter(({ status }) => status === 'running')).toEqual([]);
      expect(end.context.bundle).not.toBe('running');
    });
  });

  it('a bundle is started for a bundle tool only, and one at a time', () => {
    everyStep((step) => {
      const { candidates, candidate, bundle } = step.after.context;
      const starts = asks(step, 'startBundle');
      if (starts.length === 0) return;
      expect([starts.length, candidates[candidate]!.isBundle, bundle]).toEqual([1, true, 'running']);
      if (step.before?.context.bundle === 'running') expect(step.event.type).toBe('bundle.ended');
    });
  });

  it('a bundle that is at work when the run stops is stopped with the cause of the run', () => {
    everyStep((step) => {
      if (!step.before?.matches('bundling') || !step.after.matches('settling')) return;
      expect(asks(step, 'abortBundle').map(({ params }) => params)).toEqual([
        { cause: step.after.context.end!.status },
      ]);
    });
  });

  it('a bundle is hurried once at the most, by a limit after it is decided, and is the last of the run', () => {
    always((walked) => {
      const hurried = walked.steps.filter((step) => asks(step, 'hurryBundle').length > 0);
      expect(hurried.length).toBe(walked.end.context.late === null ? 0 : 1);
      for (const { event, before } of hurried) {
        expect([before!.value, before!.context.late]).toEqual([{ bundling: 'reducing' }, null]);
        expect(['cancel', 'deadline.passed']).toContain(event.type);
      }
      const { late, bundle } = walked.end.context;
      if (late === null) return;
      expect([bundle, hasEnded(walked)]).toEqual(hasEnded(walked) ? ['ended', true] : ['running', false]);
    });
  });

  it('a bundle that failed with part of an answer shown is the last of the run', () => {
    const seen: unknown[] = [];
    everyStep((step) => {
      if (step.event !== shownInPart || !step.before?.matches('bundling')) return;
      const { late } = step.before.context;
      seen.push(step.after.value);
      expect([step.after.value, asks(step, 'announceFallback')]).toEqual([late?.status ?? 'failed', []]);
    });
    expect(new Set(seen)).toEqual(new Set(['failed', 'cancelled', 'timed_out']));
  });

  it('a call is forgotten only when it landed or was abandoned', () => {
    everyStep((step) => {
      const gone = (step.before?.context.inFlight ?? []).filter(
        (call) => !step.after.context.inFlight.includes(call),
      );
      if (gone.length === 0 || asks(step, 'abandonCalls').length > 0) return;
      expect(gone).toEqual([(step.event as { call: number }).call]);
    });
  });

  it('a timer is armed only while it is not, and disarmed before the end', () => {
    always((walked) => {
      const armed = new Set<unknown>();
      for (const { type, params } of walked.steps.flatMap(({ asked }) => asked)) {
        if (type === 'disarmTimer') armed.delete(params['timer']);
        if (type !== 'armTimer') continue;
        if (armed.has(params['timer'])) expect(`${params['timer']} is armed`).toBe('once');
        armed.add(params['timer']);
      }
      if (hasEnded(walked)) expect([...armed]).toEqual([]);
    });
  });

  it('what was asked of pool, breaker and budget is taken back whenever the asking ends', () => {
    everyStep((step) => {
      if (!step.before?.matches({ attempting: 'awaiting' })) return;
      if (step.after.matches({ attempting: 'awaiting' }) && asks(step, 'acquire').length === 0) return;
      expect(asks(step, 'leaveQueues').length).toBeGreaterThan(0);
    });
  });

  it('an event that a state does not know changes nothing and asks for nothing', () => {
    everyStep(({ event, before, after, asked }) => {
      if (!before || before.can(event as RunChartEvent)) return;
      expect([after.value, after.context, asked]).toEqual([before.value, before.context, []]);
    });
  });

  it('the first cause decides how a run ends', () => {
    everyStep(({ before, after }) => {
      if (before?.context.end) expect(after.context.end).toEqual(before.context.end);
      if (before?.context.late) expect(after.context.late).toEqual(before.context.late);
    });
  });
});

describe('from every state of the run chart', () => {
  it('a cancel ends the run once its calls have landed, and at once when there are none', () => {
    const seen = new Set<string>();
    everyStep(({ after }) => {
      const key = JSON.stringify(keyOf(after));
      if (after.status !== 'active' || seen.has(key)) return;
      seen.add(key);
      // There the answer is known: see the next test.
      if (after.matches({ bundling: 'reducing' })) return;
      const wasSettling = after.matches('settling');
      let snapshot = getNextSnapshot(runMachine, after, { type: 'cancel' });
      for (const event of rest(snapshot.context)) {
        expect(snapshot.matches('settling')).toBe(true);
        snapshot = getNextSnapshot(runMachine, snapshot, event);
      }
      expect(snapshot.status).toBe('done');
      if (!wasSettling) expect(snapshot.value).toBe('cancelled');
    });
    expect(seen.size).toBeGreaterThan(100);
  });

  it('a limit that comes when the answer of a bundle is known hurries it once, and the answer counts', () => {
    const seen = new Set<string>();
    everyStep(({ after }) => {
      const key = JSON.stringify(keyOf(after));
      if (!after.matches({ bundling: 'reducing' }) || seen.has(key)) return;
      seen.add(key);
      for (const type of ['cancel', 'deadline.passed', 'budget.exceeded'] as const) {
        const [hurried, asked] = transition(runMachine, after, { type });
        const isFirst = after.context.late === null && type !== 'budget.exceeded';
        expect(asked.map((action) => action.type)).toEqual(isFirst ? ['hurryBundle'] : []);
        for (const status of ['completed', 'partial'] as const) {
          const ended = getNextSnapshot(runMachine, hurried, bundleEnded(status));
          expect([ended.value, ended.context.end?.status]).toEqual([status, status]);
        }
      }
    });
    expect(seen.size).toBeGreaterThan(5);
  });

  it('a limit that comes when the answer of a bundle is known is how it ends where that is none', () => {
    const seen = new Set<string>();
    everyStep(({ after }) => {
      const key = JSON.stringify(keyOf(after));
      if (!after.matches({ bundling: 'reducing' }) || seen.has(key)) return;
      seen.add(key);
      for (const [type, status] of [
        ['cancel', 'cancelled'],
        ['deadline.passed', 'timed_out'],
      ] as const) {
        const hurried = getNextSnapshot(runMachine, after, { type });
        const ended = getNextSnapshot(runMachine, hurried, noReplicateAnswered);
        expect(ended.value).toBe(after.context.late?.status ?? status);
        expect(ended.context.end).toEqual(hurried.context.late);
      }
    });
    expect(seen.size).toBeGreaterThan(5);
  });

  it('once it is cancelled or its time is up, it begins nothing new, whatever comes in', () => {
    const seen = new Set<string>();
    const begins = ['acquire', 'startCall', 'startBundle', 'startStep', 'startBranches'];
    everyStep(({ after }) => {
      const key = JSON.stringify(keyOf(after));
      if (after.status !== 'active' || seen.has(key)) return;
      seen.add(key);
      for (const type of ['cancel', 'deadline.passed'] as const) {
        const stopped = getNextSnapshot(runMachine, after, { type });
        for (const event of stopped.status === 'active' ? eventsIn(stopped) : []) {
          const [, asked] = transition(runMachine, stopped, event);
          const begun = asked.map((action) => action.type).filter((name) => begins.includes(name));
          const where = JSON.stringify(after.value);
          if (begun.length > 0) expect(`${begun} in ${where}: ${type}, ${event.type}`).toBe('nothing');
        }
      }
    });
    expect(seen.size).toBeGreaterThan(100);
  });

  it('a cancel and the grace time end the run although its calls never land', () => {
    const seen = new Set<string>();
    everyStep(({ after }) => {
      const key = JSON.stringify(keyOf(after));
      if (after.context.inFlight.length === 0 || seen.has(key)) return;
      seen.add(key);
      const cancelled = getNextSnapshot(runMachine, after, { type: 'cancel' });
      const snapshot = getNextSnapshot(runMachine, cancelled, { type: 'timer.grace' });
      expect([snapshot.status, snapshot.context.inFlight]).toEqual(['done', []]);
    });
    expect(seen.size).toBeGreaterThan(10);
  });
});
