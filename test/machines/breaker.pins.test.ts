import { describe, expect, it } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { breakerMachine, type BreakerContext, type BreakerEvent } from '../../src/machines/index.js';

const halfOpen = { probes: 3, successes: 2, leaseMs: 50, deadlineMs: 200, onDeadline: 'open' } as const;
const FRESH: BreakerContext = {
  provider: 'p',
  halfOpen,
  epoch: 1,
  timesOpened: 0,
  openUntil: null,
  halfOpenUntil: null,
  probes: [],
  successes: 0,
  failures: 0,
  isolations: 0,
  reason: 'started',
};

const trip: BreakerEvent = { type: 'threshold.reached', reason: 'failures', until: 100 };
const due: BreakerEvent = { type: 'open.elapsed', at: 100 };
const started = (id: number): BreakerEvent => ({ type: 'probe.started', id });
const good = (id: number): BreakerEvent => ({ type: 'probe.succeeded', id });
const bad = (id: number): BreakerEvent => ({ type: 'probe.failed', id, reason: 'probe_failed', until: 500 });
const back = (id: number): BreakerEvent => ({ type: 'probe.returned', id });
const over = (at: number): BreakerEvent => ({ type: 'halfOpen.elapsed', at, until: 400 });
const isolate: BreakerEvent = { type: 'isolate' };
const release: BreakerEvent = { type: 'release' };
const reset: BreakerEvent = { type: 'reset' };
const restore = (state: 'closed' | 'open' | 'half-open', fields: object = {}): BreakerEvent => ({
  type: 'restore',
  at: 40,
  saved: { state, timesOpened: 2, openUntil: 90, halfOpenUntil: null, successes: 1, failures: 1, ...fields },
});

/** The state after these events, what changed in its context, and what the last event asked for, in order. */
function after(sent: readonly BreakerEvent[], onDeadline: 'open' | 'closed' = 'open') {
  const input = { provider: 'p', halfOpen: { ...halfOpen, onDeadline } };
  let [snapshot, actions] = initialTransition(breakerMachine, input);
  for (const event of sent) [snapshot, actions] = transition(breakerMachine, snapshot, event);
  const context = snapshot.context as unknown as Record<string, unknown>;
  const changed = Object.entries(FRESH).filter(
    ([name, value]) => name !== 'halfOpen' && JSON.stringify(context[name]) !== JSON.stringify(value),
  );
  return {
    value: snapshot.value,
    changed: Object.fromEntries(changed.map(([name]) => [name, context[name]])),
    asked: actions.map(({ type, params }) => (params === undefined ? type : [type, params])),
  };
}

const told = (to: string, reason: string, openUntil: number | null = null) => [
  'announce',
  { to, reason, openUntil },
];
const armed = (timer: 'open' | 'halfOpen', at: number) => ['armTimer', { timer, at }];
const disarmed = (timer: 'open' | 'halfOpen') => ['disarmTimer', { timer }];

describe('a breaker', () => {
  it('begins closed, with nothing counted', () => {
    expect(initialTransition(breakerMachine, { provider: 'p', halfOpen })[0].context).toEqual(FRESH);
    expect(after([])).toEqual({
      value: 'closed',
      changed: {},
      asked: ['clearWindow', told('closed', 'started')],
    });
  });

  it('opens at the threshold', () => {
    expect(after([trip])).toEqual({
      value: 'open',
      changed: { epoch: 2, timesOpened: 1, openUntil: 100, reason: 'failures' },
      asked: [armed('open', 100), told('open', 'failures', 100)],
    });
  });

  it('is not closed by a reset when it is, but begins a new epoch', () => {
    expect(after([reset])).toEqual({
      value: 'closed',
      changed: { epoch: 2, reason: 'requested' },
      asked: ['clearWindow', told('closed', 'requested')],
    });
  });

  it('knows no probes and no time while it is closed', () => {
    for (const event of [due, over(300), started(1), good(1), bad(1), back(1), release]) {
      expect(after([event])).toEqual({ value: 'closed', changed: {}, asked: [] });
    }
  });
});

describe('an open breaker', () => {
  const open = { epoch: 2, timesOpened: 1, openUntil: 100, reason: 'failures' };

  it('lets probes through when its time has come, and not a moment before', () => {
    expect(after([trip, { type: 'open.elapsed', at: 99 }])).toEqual({
      value: 'open',
      changed: open,
      asked: [],
    });
    expect(after([trip, due])).toEqual({
      value: 'half-open',
      changed: { epoch: 3, timesOpened: 1, halfOpenUntil: 300, reason: 'elapsed' },
      asked: [disarmed('open'), armed('halfOpen', 300), told('half-open', 'elapsed')],
    });
  });

  it('is extended, never shortened', () => {
    for (const [until, openUntil] of [
      [150, 150],
      [50, 100],
    ] as const) {
      expect(after([trip, { type: 'open.extended', until }])).toEqual({
        value: 'open',
        changed: { ...open, openUntil },
        asked: [armed('open', openUntil)],
      });
    }
  });

  it('is closed by a reset', () => {
    expect(after([trip, reset])).toEqual({
      value: 'closed',
      changed: { epoch: 3, reason: 'requested' },
      asked: [disarmed('open'), 'clearWindow', told('closed', 'requested')],
    });
  });

  it('is not opened again', () => {
    expect(after([trip, { ...trip, until: 900 } as BreakerEvent])).toEqual({
      value: 'open',
      changed: open,
      asked: [],
    });
  });
});

describe('a half-open breaker', () => {
  const half = { epoch: 3, timesOpened: 1, halfOpenUntil: 300, reason: 'elapsed' };
  const at = (...sent: BreakerEvent[]) => after([trip, due, ...sent]);
  const stays = (changed: object) => ({ value: 'half-open', changed: { ...half, ...changed }, asked: [] });

  it('admits its probes and no more', () => {
    expect(at(started(7))).toEqual(stays({ probes: [7] }));
    expect(at(started(1), started(2), started(3))).toEqual(stays({ probes: [1, 2, 3] }));
    expect(at(started(1), started(2), started(3), started(4))).toEqual(stays({ probes: [1, 2, 3] }));
    expect(at(started(1), good(1), started(2), started(3), started(4))).toEqual(
      stays({ probes: [2, 3], successes: 1 }),
    );
    expect(at(started(1), bad(1), started(2), started(3), started(4))).toEqual(
      stays({ probes: [2, 3], failures: 1 }),
    );
  });

  it('counts what its probes say, and nobody else', () => {
    expect(at(started(1), good(1))).toEqual(stays({ successes: 1 }));
    expect(at(started(1), bad(1))).toEqual(stays({ failures: 1 }));
    expect(at(started(1), started(2), back(1))).toEqual(stays({ probes: [2] }));
    for (const event of [good(9), bad(9), back(9)])
      expect(at(started(1), event)).toEqual(stays({ probes: [1] }));
    expect(at(started(1), started(2), good(1), good(9))).toEqual(stays({ probes: [2], successes: 1 }));
    expect(at(started(1), started(2), bad(1), bad(9))).toEqual(stays({ probes: [2], failures: 1 }));
  });

  it('closes at the success that is enough', () => {
    expect(at(started(1), good(1), started(2), good(2))).toEqual({
      value: 'closed',
      changed: { epoch: 4, successes: 2, reason: 'probes_succeeded' },
      asked: [disarmed('halfOpen'), 'clearWindow', told('closed', 'probes_succeeded')],
    });
  });

  it('opens at the failure that puts success out of reach', () => {
    expect(at(started(1), bad(1), started(2), bad(2))).toEqual({
      value: 'open',
      changed: { ...half, epoch: 4, timesOpened: 2, openUntil: 500, failures: 2, reason: 'probe_failed' },
      asked: [disarmed('halfOpen'), armed('open', 500), told('open', 'probe_failed', 500)],
    });
  });

  it('forgets the probes of before when it is half-open again', () => {
    const again: BreakerEvent = { type: 'open.elapsed', at: 500 };
    expect(at(started(1), bad(1), started(2), started(3), bad(2), again)).toEqual({
      value: 'half-open',
      changed: { epoch: 5, timesOpened: 2, halfOpenUntil: 700, reason: 'elapsed' },
      asked: [disarmed('open'), armed('halfOpen', 700), told('half-open', 'elapsed')],
    });
  });

  it('opens when its time is up, and not before', () => {
    expect(at(over(299))).toEqual(stays({}));
    expect(at(over(300))).toEqual({
      value: 'open',
      changed: { ...half, epoch: 4, timesOpened: 2, openUntil: 400, reason: 'deadline' },
      asked: [disarmed('halfOpen'), armed('open', 400), told('open', 'deadline', 400)],
    });
  });

  it('closes when its time is up, where it was told to', () => {
    expect(after([trip, due, over(299)], 'closed')).toEqual(stays({}));
    expect(after([trip, due, over(300)], 'closed')).toEqual({
      value: 'closed',
      changed: { epoch: 4, reason: 'deadline' },
      asked: [disarmed('halfOpen'), 'clearWindow', told('closed', 'deadline')],
    });
  });

  it('opens at once where the provider asks for it, and closes at a reset', () => {
    expect(at({ ...trip, until: 900 } as BreakerEvent)).toMatchObject({
      value: 'open',
      changed: { timesOpened: 2, openUntil: 900, reason: 'failures' },
    });
    expect(at(started(1), reset)).toEqual({
      value: 'closed',
      changed: { epoch: 4, reason: 'requested' },
      asked: [disarmed('halfOpen'), 'clearWindow', told('closed', 'requested')],
    });
  });
});

describe('an isolated breaker', () => {
  const isolated = { epoch: 2, isolations: 1, reason: 'requested' };

  it('says so once, and forgets until when it was open', () => {
    expect(after([isolate])).toEqual({
      value: 'isolated',
      changed: isolated,
      asked: [told('isolated', 'requested')],
    });
    expect(after([trip, isolate])).toEqual({
      value: 'isolated',
      changed: { ...isolated, epoch: 3, timesOpened: 1 },
      asked: [disarmed('open'), told('isolated', 'requested')],
    });
    expect(after([isolate, isolate])).toEqual({
      value: 'isolated',
      changed: { ...isolated, isolations: 2 },
      asked: [],
    });
  });

  it('is closed by its last handle', () => {
    expect(after([isolate, isolate, release])).toEqual({ value: 'isolated', changed: isolated, asked: [] });
    expect(after([isolate, isolate, release, release])).toEqual({
      value: 'closed',
      changed: { epoch: 3, reason: 'requested' },
      asked: ['clearWindow', told('closed', 'requested')],
    });
  });

  it('minds nothing else', () => {
    for (const event of [trip, due, over(300), started(1), reset, restore('closed')]) {
      expect(after([isolate, event])).toEqual({ value: 'isolated', changed: isolated, asked: [] });
    }
  });
});

describe('a breaker that is restored', () => {
  it('is open for what is left of its time', () => {
    expect(after([restore('open')])).toEqual({
      value: 'open',
      changed: {
        epoch: 2,
        timesOpened: 2,
        openUntil: 90,
        halfOpenUntil: 240,
        successes: 1,
        failures: 1,
        reason: 'restored',
      },
      asked: [armed('open', 90), told('open', 'restored', 90)],
    });
  });

  it('is half-open with its counts and a deadline, without the probes of before', () => {
    const half = { epoch: 4, timesOpened: 2, openUntil: 90, successes: 1, failures: 1, reason: 'restored' };
    expect(after([trip, due, started(1), restore('half-open')])).toEqual({
      value: 'half-open',
      changed: { ...half, halfOpenUntil: 240 },
      asked: [disarmed('halfOpen'), armed('halfOpen', 240), told('half-open', 'restored')],
    });
    expect(after([restore('half-open', { halfOpenUntil: 120 })]).changed).toEqual({
      ...half,
      epoch: 2,
      halfOpenUntil: 120,
    });
  });

  it('is closed with no openings', () => {
    expect(after([restore('closed')])).toEqual({
      value: 'closed',
      changed: { epoch: 2, successes: 1, failures: 1, reason: 'restored' },
      asked: ['clearWindow', told('closed', 'restored')],
    });
  });
});
