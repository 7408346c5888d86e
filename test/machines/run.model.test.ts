import { getNextSnapshot } from 'xstate';
import { beforeAll, describe, expect, it } from 'vitest';
import { runMachine, type RunChartEvent } from '../../src/machines/index.js';
import { Coverage, isPlainJson, walk, type Walk, type WalkStep } from './coverage.js';
import { failed, keyOf, runWalkPlans } from './run.walks.js';

type RunWalk = Walk<typeof runMachine>;
type RunStep = WalkStep<typeof runMachine>;

const coverage = new Coverage(runMachine);
let walks: RunWalk[];

beforeAll(() => {
  walks = runWalkPlans().map(({ input, events }) => walk(runMachine, input, events, coverage));
}, 60_000);

/** Runs a check on every walk, and says on which one it failed. */
function always(check: (walked: RunWalk) => void): void {
  for (const walked of walks) {
    try {
      check(walked);
    } catch (error) {
      const path = walked.steps.map(({ event }) => event.type).join(' > ');
      throw new Error(`${(error as Error).message}\non the path ${path}`, { cause: error });
    }
  }
}

const asks = (step: RunStep, type: string) => step.asked.filter((action) => action.type === type);
const allAsked = (walked: RunWalk, type: string) => walked.steps.flatMap((step) => asks(step, type));
const hasEnded = ({ end }: RunWalk) => end.status === 'done';

describe('every transition of the run chart', () => {
  it('is walked', () => {
    expect(coverage.size).toBeGreaterThanOrEqual(65);
    expect(walks.length).toBeGreaterThan(500);
    expect(coverage.unwalked).toEqual([]);
  });
});

describe('on every generated path of the run chart', () => {
  it('the context is plain JSON in every state', () => {
    always(({ steps }) => {
      for (const { after } of steps)
        if (!isPlainJson(after.context)) expect(after.context).toBe('plain JSON');
    });
  });

  it('a call starts only with the grant it was given, and a hedge only with a grant of its own', () => {
    always(({ steps }) => {
      for (const step of steps) {
        const grant =
          step.event.type === 'attempt.granted' || step.event.type === 'hedge.granted'
            ? step.event.type
            : null;
        const wanted = step.before?.can(step.event as RunChartEvent) && grant;
        const numbers = asks(step, 'startCall').map(({ params }) => params);
        const { calls } = step.after.context;
        expect(numbers).toEqual(wanted ? [{ call: calls, hedge: grant === 'hedge.granted' }] : []);
      }
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
    always(({ steps }) => {
      for (const { after } of steps) {
        const { attempt, candidate, candidates } = after.context;
        expect(attempt).toBeLessThanOrEqual((candidates[candidate]?.maxRetries ?? 0) + 1);
      }
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
    });
  });

  it('a call is forgotten only when it landed or was abandoned', () => {
    always(({ steps }) => {
      for (const step of steps) {
        const gone = (step.before?.context.inFlight ?? []).filter(
          (call) => !step.after.context.inFlight.includes(call),
        );
        if (gone.length === 0 || asks(step, 'abandonCalls').length > 0) continue;
        expect(gone).toEqual([(step.event as { call: number }).call]);
      }
    });
  });

  it('a timer is armed only while it is not, and disarmed before the end', () => {
    always((walked) => {
      const armed = new Set<unknown>();
      for (const { type, params } of walked.steps.flatMap(({ asked }) => asked)) {
        if (type === 'disarmTimer') armed.delete(params['timer']);
        if (type !== 'armTimer') continue;
        expect(armed).not.toContain(params['timer']);
        armed.add(params['timer']);
      }
      if (hasEnded(walked)) expect([...armed]).toEqual([]);
    });
  });

  it('what was asked of pool, breaker and budget is taken back whenever the asking ends', () => {
    always(({ steps }) => {
      for (const step of steps) {
        if (!step.before?.matches({ attempting: 'awaiting' })) continue;
        if (step.after.matches({ attempting: 'awaiting' }) && asks(step, 'acquire').length === 0) continue;
        expect(asks(step, 'leaveQueues').length).toBeGreaterThan(0);
      }
    });
  });

  it('an event that a state does not know changes nothing and asks for nothing', () => {
    always(({ steps }) => {
      for (const { event, before, after, asked } of steps) {
        if (!before || before.can(event as RunChartEvent)) continue;
        expect([after.value, after.context, asked]).toEqual([before.value, before.context, []]);
      }
    });
  });

  it('the first cause decides how a run ends', () => {
    always(({ steps }) => {
      for (const { before, after } of steps) {
        if (before?.context.end) expect(after.context.end).toEqual(before.context.end);
      }
    });
  });
});

describe('from every state of the run chart', () => {
  it('a cancel ends the run once its calls have landed, and at once when there are none', () => {
    const seen = new Set<string>();
    always(({ steps }) => {
      for (const { after } of steps) {
        const key = JSON.stringify(keyOf(after));
        if (after.status !== 'active' || seen.has(key)) continue;
        seen.add(key);
        const wasSettling = after.matches('settling');
        let snapshot = getNextSnapshot(runMachine, after, { type: 'cancel' });
        for (const call of snapshot.context.inFlight) {
          expect(snapshot.matches('settling')).toBe(true);
          snapshot = getNextSnapshot(runMachine, snapshot, failed(call));
        }
        snapshot.context.steps.forEach(({ status }, step) => {
          if (status !== 'running') return;
          expect(snapshot.matches('settling')).toBe(true);
          snapshot = getNextSnapshot(runMachine, snapshot, {
            type: 'step.ended',
            step,
            status: 'cancelled',
            code: 'cancelled',
          });
        });
        expect(snapshot.status).toBe('done');
        if (!wasSettling) expect(snapshot.value).toBe('cancelled');
      }
    });
    expect(seen.size).toBeGreaterThan(100);
  });

  it('a cancel and the grace time end the run although its calls never land', () => {
    const seen = new Set<string>();
    always(({ steps }) => {
      for (const { after } of steps) {
        const key = JSON.stringify(keyOf(after));
        if (after.context.inFlight.length === 0 || seen.has(key)) continue;
        seen.add(key);
        const cancelled = getNextSnapshot(runMachine, after, { type: 'cancel' });
        const snapshot = getNextSnapshot(runMachine, cancelled, { type: 'timer.grace' });
        expect([snapshot.status, snapshot.context.inFlight]).toEqual(['done', []]);
      }
    });
    expect(seen.size).toBeGreaterThan(10);
  });
});
