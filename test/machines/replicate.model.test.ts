import { getNextSnapshot, transition } from 'xstate';
import { beforeAll, describe, expect, it } from 'vitest';
import { replicateMachine, type ReplicateChartEvent } from '../../src/machines/index.js';
import { failed, succeeded } from '../../src/testing/paths/attempt-events.js';
import { Coverage, isPlainJson, type Asked, Walks, type Walk, type WalkStep } from './coverage.js';
import {
  ENDINGS,
  eventsIn,
  grace,
  keyOf,
  replicateWalkPlans,
  stop,
  tooLong,
  type ReplicateSnapshot,
} from './replicate.walks.js';

type ReplicateWalk = Walk<typeof replicateMachine>;
type ReplicateStep = WalkStep<typeof replicateMachine>;

const coverage = new Coverage(replicateMachine);
let walks: Walks<typeof replicateMachine>;

beforeAll(() => {
  walks = new Walks(replicateMachine, replicateWalkPlans(), coverage);
}, 60_000);

const always = (check: (walked: ReplicateWalk) => void) => walks.always(check);
const everyStep = (check: (step: ReplicateStep) => void) => walks.everyStep(check);

/** Every state that is not an end, each way of standing in it once. */
function activeStates(): ReplicateSnapshot[] {
  const states = new Map<string, ReplicateSnapshot>();
  for (const { after } of walks.all.flatMap(({ steps }) => steps)) {
    if (after.status === 'active') states.set(JSON.stringify(keyOf(after)), after);
  }
  return [...states.values()];
}

const asks = (step: ReplicateStep, type: string) => step.asked.filter((action) => action.type === type);
const allAsked = ({ steps }: ReplicateWalk, type: string) => steps.flatMap((step) => asks(step, type));
const names = (actions: readonly { type: string }[]) => actions.map(({ type }) => type);

describe('every transition of the replicate chart', () => {
  it('is walked', () => {
    expect(coverage.size).toBeGreaterThanOrEqual(53);
    expect(walks.all.length).toBeGreaterThan(300);
    expect(coverage.unwalked).toEqual([]);
  });
});

describe('on every generated path of the replicate chart', () => {
  it('the context is plain JSON in every state', () => {
    everyStep(({ after }) => {
      if (!isPlainJson(after.context)) expect(after.context).toBe('plain JSON');
    });
  });

  it('it asks for its turn once, first of all, and is announced once, when it has it', () => {
    always((walked) => {
      expect(names(walked.steps[0]!.asked)).toEqual(['awaitTurn']);
      expect(allAsked(walked, 'awaitTurn').length).toBe(1);
      const told = walked.steps.filter((step) => asks(step, 'announceReplicate').length > 0);
      expect(told.map(({ event }) => event.type)).toEqual(
        walked.steps
          .filter(({ before, event }) => event.type === 'turn.granted' && before?.matches('queued'))
          .map(() => 'turn.granted'),
      );
      const begun = walked.steps.findIndex(({ asked }) => names(asked).includes('acquire'));
      if (begun >= 0) expect(asks(walked.steps[begun]!, 'announceReplicate').length).toBe(1);
    });
  });

  it('a call starts only with the grant it was given, and a hedge only with a grant of its own', () => {
    everyStep((step) => {
      const grant =
        step.event.type === 'attempt.granted' || step.event.type === 'hedge.granted' ? step.event.type : null;
      const wanted = step.before?.can(step.event as ReplicateChartEvent) && grant;
      const { calls } = step.after.context;
      expect(asks(step, 'startCall').map(({ params }) => params)).toEqual(
        wanted ? [{ call: calls, hedge: grant === 'hedge.granted' }] : [],
      );
    });
  });

  it('calls are numbered from 1 without a gap and never exceed maxAttempts', () => {
    always((walked) => {
      const numbers = allAsked(walked, 'startCall').map(({ params }) => params['call']);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(numbers.length).toBeLessThanOrEqual(walked.end.context.maxAttempts);
    });
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

  it('an answer is checked once for each call that gave one, when nothing else is in flight', () => {
    everyStep((step) => {
      const entered = step.after.matches('validating') && !step.before?.matches('validating');
      expect(asks(step, 'validateAnswer').length).toBe(entered ? 1 : 0);
      if (step.after.matches('validating')) expect(step.after.context.inFlight).toEqual([]);
    });
  });

  it('it ends valid only by a check, invalid only by the failure of one, and else says why', () => {
    always(({ steps, end }) => {
      if (end.status !== 'done') return;
      const { event, before } = steps.at(-1)!;
      const why = end.context.end;
      if (end.value === 'valid') {
        expect([before!.value, event.type, why]).toEqual(['validating', 'answer.valid', null]);
      } else if (end.value === 'invalid') {
        expect([end.context.lastFailure?.category, why]).toEqual(['invalid_output', null]);
      } else {
        expect(why?.status).toBe(end.value);
        if (end.context.late) expect(why).toEqual(end.context.late);
      }
    });
  });

  it('finish is asked for exactly once, last of all, with the state it ended in', () => {
    always((walked) => {
      const finishes = allAsked(walked, 'finish').map(({ params }) => params['status']);
      expect(finishes).toEqual(walked.end.status === 'done' ? [walked.end.value] : []);
      if (finishes.length > 0) expect(walked.steps.at(-1)!.asked.at(-1)!.type).toBe('finish');
    });
  });

  it('nothing is in flight at an end', () => {
    always(({ end }) => {
      if (end.status === 'done') expect(end.context.inFlight).toEqual([]);
    });
  });

  it('a timer is armed only while it is not, and each but its own limit is disarmed before the end', () => {
    always((walked) => {
      const armed = new Set<unknown>();
      for (const { type, params } of walked.steps.flatMap(({ asked }) => asked)) {
        if (type === 'disarmTimer') armed.delete(params['timer']);
        if (type !== 'armTimer' || isNever(params)) continue;
        if (armed.has(params['timer'])) expect(`${params['timer']} is armed`).toBe('once');
        armed.add(params['timer']);
      }
      // What `finish` releases, the limit is among.
      armed.delete('replicate');
      if (walked.end.status === 'done') expect([...armed]).toEqual([]);
    });
  });

  it('a check of an answer has the time of an attempt, and once it is stopped no more than the grace', () => {
    always(({ steps }) => {
      const armed = new Map<unknown, unknown>();
      for (const { asked, after } of steps) {
        for (const { type, params } of asked) {
          if (type === 'armTimer') armed.set(params['timer'], params['inMs']);
          if (type === 'disarmTimer') armed.delete(params['timer']);
        }
        if (!after.matches('validating')) continue;
        const { attemptTimeoutMs, abortGraceMs, late } = after.context;
        expect([armed.get('attempt'), armed.get('grace')]).toEqual([
          attemptTimeoutMs ?? Infinity,
          late === null ? Infinity : abortGraceMs,
        ]);
      }
    });
  });

  it('what was asked of pool, breaker and budget is taken back whenever the asking ends', () => {
    everyStep((step) => {
      if (!step.before?.matches({ attempting: 'awaiting' })) return;
      if (step.after.matches({ attempting: 'awaiting' }) && asks(step, 'acquire').length === 0) return;
      expect(asks(step, 'leaveQueues').length).toBeGreaterThan(0);
    });
  });

  it('whatever is in flight when it is given up is aborted with the cause of its end', () => {
    everyStep((step) => {
      if (!asks(step, 'abortCalls').length || step.after.matches({ attempting: 'overrunning' })) return;
      const { end } = step.after.context;
      expect(asks(step, 'abortCalls').map(({ params }) => params)).toEqual([
        { cause: end?.cause ?? 'loser' },
      ]);
    });
  });

  it('an event that a state does not know changes nothing and asks for nothing', () => {
    everyStep(({ event, before, after, asked }) => {
      if (!before || before.can(event as ReplicateChartEvent)) return;
      expect([after.value, after.context, asked]).toEqual([before.value, before.context, []]);
    });
  });

  it('the first cause decides how it ends', () => {
    everyStep(({ before, after }) => {
      if (before?.context.end) expect(after.context.end).toEqual(before.context.end);
      if (before?.context.late) expect(after.context.late).toEqual(before.context.late);
    });
  });

  it('a stop is late only where a call has answered, and then nothing but the check of it is waited for', () => {
    everyStep(({ event, before, after }) => {
      if (after.context.late === null) return;
      const isBounded = after.matches('settling') || after.matches('validating');
      expect([after.value, isBounded || after.status === 'done']).toEqual([after.value, true]);
      if (before?.context.late === null) expect(event.type).toBe('replicate.stop');
    });
  });

  it('no deadline is later than its own limit, and one that moves changes nothing else', () => {
    everyStep(({ event, before, after, asked }) => {
      const { timesOutAt, deadlineAt } = after.context;
      if (timesOutAt !== null) expect(deadlineAt ?? Infinity).toBeLessThanOrEqual(timesOutAt);
      if (event.type !== 'deadline.extended') return;
      const at = Math.min(event.at ?? Infinity, timesOutAt ?? Infinity);
      expect([after.value, after.context, asked]).toEqual([
        before!.value,
        { ...before!.context, deadlineAt: at === Infinity ? null : at },
        [],
      ]);
    });
  });

  it('what settles is aborted once, and its grace is not begun anew', () => {
    everyStep(({ before, after, asked }) => {
      if (!before?.matches('settling') || !after.matches('settling')) return;
      expect(names(asked).filter((type) => type === 'abortCalls' || type === 'armTimer')).toEqual([]);
    });
  });
});

describe('from every state of the replicate chart', () => {
  it('a stop aborts its calls, and it ends cancelled once they have landed', () => {
    const states = activeStates();
    expect(states.length).toBeGreaterThan(40);
    for (const state of states) {
      // There the answer is paid for: see the next test.
      if (state.matches('validating') || state.matches('settling')) continue;
      let [snapshot, asked] = transition(replicateMachine, state, stop('loser'));
      expect(asked.find(({ type }) => type === 'abortCalls')?.params).toEqual({ cause: 'loser' });
      for (const call of snapshot.context.inFlight) {
        expect(snapshot.value).toBe('settling');
        [snapshot, asked] = transition(replicateMachine, snapshot, call === 1 ? failed(1) : succeeded(call));
      }
      expect([snapshot.value, snapshot.context.end?.cause]).toEqual(['cancelled', 'loser']);
    }
  });

  it('whatever comes after the first cause changes nothing and asks for nothing', () => {
    const states = activeStates().filter(({ context }) => context.end !== null);
    expect(states.length).toBeGreaterThan(10);
    for (const state of states) {
      for (const event of ENDINGS) {
        const [next, asked] = transition(replicateMachine, state, event);
        expect([next.value, next.context, names(asked)]).toEqual([state.value, state.context, []]);
      }
    }
  });

  it('a spent budget is no matter any more while the loser of a hedge settles', () => {
    for (const state of activeStates().filter((each) => each.matches('settling'))) {
      const [next, asked] = transition(replicateMachine, state, { type: 'budget.exceeded' });
      expect([next.value, next.context, names(asked)]).toEqual([state.value, state.context, []]);
    }
  });

  it('its own limit ends it once its calls have landed: failed for time, unless it was stopped before', () => {
    for (const state of activeStates()) {
      const first = state.context.end ?? state.context.late;
      let snapshot = getNextSnapshot(replicateMachine, state, tooLong);
      for (const call of snapshot.context.inFlight) {
        expect(snapshot.value).toBe('settling');
        snapshot = getNextSnapshot(replicateMachine, snapshot, call === 1 ? failed(1) : succeeded(call));
      }
      const { end } = snapshot.context;
      expect([snapshot.value, end?.code]).toEqual(
        first === null ? ['failed', 'timeout'] : [first.status, first.code],
      );
    }
  });

  it('a stop leads to an end by the grace alone, although no call lands and no check answers', () => {
    const seen = new Set<string>();
    always(({ steps }) => {
      const armed = new Set<string>();
      for (const { asked, after } of steps) {
        note(armed, asked);
        const key = JSON.stringify([after.value, after.context, armed.has('grace')]);
        if (after.status !== 'active' || seen.has(key)) continue;
        seen.add(key);
        expect(endByGrace(after, armed)).toBe('an end');
      }
    });
  });

  it('a stop is the last of it: it waits for no retry and makes no further call', () => {
    for (const state of activeStates()) {
      const stopped = getNextSnapshot(replicateMachine, state, stop('loser'));
      for (const begun of begunFrom(stopped, 2)) {
        expect(`${begun}, stopped in ${JSON.stringify(state.value)}`).toBe('nothing');
      }
    }
  });
});

/** Infinity arms nothing. */
function isNever({ at, inMs }: Record<string, unknown>): boolean {
  return at === Infinity || inMs === Infinity;
}

/** What is begun in the next so many events. */
function begunFrom(snapshot: ReplicateSnapshot, depth: number): string[] {
  if (depth === 0 || snapshot.status !== 'active') return [];
  return eventsIn(snapshot).flatMap((event) => {
    const [next, asked] = transition(replicateMachine, snapshot, event);
    const begun = names(asked).filter((type) => ['acquire', 'startCall', 'announceRetry'].includes(type));
    return begun.length > 0 ? begun.map((type) => `${type} by ${event.type}`) : begunFrom(next, depth - 1);
  });
}

function note(armed: Set<string>, asked: readonly Pick<Asked, 'type' | 'params'>[]): void {
  for (const { type, params } of asked) {
    if (type === 'armTimer' && !isNever(params)) armed.add(params['timer'] as string);
    if (type === 'disarmTimer') armed.delete(params['timer'] as string);
  }
}

/** Stops it, then lets nothing come in but the end of a grace that is armed. */
function endByGrace(state: ReplicateSnapshot, before: ReadonlySet<string>): string {
  const armed = new Set(before);
  let [snapshot, asked] = transition(replicateMachine, state, stop('cancelled'));
  note(armed, asked as unknown as Asked[]);
  while (snapshot.status === 'active' && armed.has('grace')) {
    armed.delete('grace');
    [snapshot, asked] = transition(replicateMachine, snapshot, grace);
    note(armed, asked as unknown as Asked[]);
  }
  return snapshot.status === 'done'
    ? 'an end'
    : `waiting for ever in ${JSON.stringify(snapshot.value)}, stopped in ${JSON.stringify(state.value)}`;
}
