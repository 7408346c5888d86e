import { beforeAll, describe, expect, it } from 'vitest';
import type { SnapshotFrom } from 'xstate';
import {
  breakerMachine,
  type BreakerContext,
  type BreakerEvent,
  type BreakerInput,
} from '../../src/machines/index.js';
import { Coverage, explore, isPlainJson, walk, type Walk } from './coverage.js';

type BreakerSnapshot = SnapshotFrom<typeof breakerMachine>;

const halfOpen = { probes: 3, successes: 2, leaseMs: 50, deadlineMs: 200, onDeadline: 'open' } as const;
const OPENS: BreakerInput = { provider: 'p', halfOpen };
const CLOSES: BreakerInput = { provider: 'p', halfOpen: { ...halfOpen, onDeadline: 'closed' } };

const trip: BreakerEvent = { type: 'threshold.reached', reason: 'failures', until: 100 };
const due: BreakerEvent = { type: 'open.elapsed', at: 100 };
const started = (id: number): BreakerEvent => ({ type: 'probe.started', id });
const good = (id: number): BreakerEvent => ({ type: 'probe.succeeded', id });
const bad = (id: number): BreakerEvent => ({ type: 'probe.failed', id, reason: 'probe_failed', until: 500 });
const back = (id: number): BreakerEvent => ({ type: 'probe.returned', id });
const isolate: BreakerEvent = { type: 'isolate' };
const release: BreakerEvent = { type: 'release' };
const restore = (state: 'closed' | 'open' | 'half-open' | 'isolated', halfOpenUntil: number | null = null) =>
  ({
    type: 'restore',
    at: 40,
    saved: { state, timesOpened: 2, openUntil: 90, halfOpenUntil, successes: 1, failures: 1 },
  }) satisfies BreakerEvent;

function events({ context }: BreakerSnapshot): BreakerEvent[] {
  const { probes, openUntil, halfOpenUntil, isolations } = context;
  const free = [1, 2, 3, 4].find((id) => !probes.includes(id))!;
  return [
    trip,
    { type: 'open.elapsed', at: (openUntil ?? 100) - 1 },
    { type: 'open.elapsed', at: openUntil ?? 100 },
    { type: 'open.extended', until: 90 },
    { type: 'open.extended', until: 150 },
    started(free),
    ...[...probes, 99].flatMap((id) => [good(id), bad(id), back(id)]),
    { type: 'halfOpen.elapsed', at: (halfOpenUntil ?? 300) - 1, until: 400 },
    { type: 'halfOpen.elapsed', at: halfOpenUntil ?? 300, until: 400 },
    ...(isolations < 2 ? [isolate] : []),
    release,
    { type: 'reset' },
    restore('closed'),
    restore('open'),
    restore('half-open', 120),
  ];
}

function key({ value, context }: BreakerSnapshot): unknown {
  if (value !== 'half-open') return [value, context.timesOpened > 0, context.isolations];
  return [value, context.probes.length, context.successes, context.failures];
}

const go = (input: BreakerInput, ...sent: BreakerEvent[]) => walk(breakerMachine, input, sent);
const stateAfter = (...sent: BreakerEvent[]) => go(OPENS, ...sent).end.value;
const askedBy = (...sent: BreakerEvent[]) => go(OPENS, ...sent).steps.at(-1)!.asked;

describe('every transition of the breaker chart', () => {
  const coverage = new Coverage(breakerMachine);
  let walks: Walk<typeof breakerMachine>[];

  beforeAll(() => {
    walks = [OPENS, CLOSES].flatMap((input) =>
      explore(breakerMachine, { input, events, key }).map((sent) =>
        walk(breakerMachine, input, sent, coverage),
      ),
    );
  }, 60_000);

  it('is walked', () => {
    expect(coverage.size).toBeGreaterThanOrEqual(23);
    expect(walks.length).toBeGreaterThan(300);
    expect(coverage.unwalked).toEqual([]);
  });

  it('leaves a context of plain JSON', () => {
    for (const { steps } of walks) {
      for (const { after } of steps) expect(isPlainJson(after.context)).toBe(true);
    }
  });

  it('starts an epoch, and announces it once, exactly when a state is entered', () => {
    for (const { steps } of walks) {
      for (const { before, after, asked } of steps) {
        const rise = after.context.epoch - (before?.context.epoch ?? 0);
        const told = asked.filter(({ type }) => type === 'announce').map(({ params }) => params['to']);
        expect(told).toEqual(rise === 0 ? [] : [after.value]);
        expect(rise).toBeLessThanOrEqual(1);
        if (before && before.value !== after.value) expect(rise).toBe(1);
        expect(asked.some(({ type }) => type === 'clearWindow')).toBe(rise === 1 && after.value === 'closed');
      }
    }
  });

  it('keeps exactly the timer of its state armed, at the time in its context', () => {
    for (const { steps } of walks) {
      const armed = new Map<unknown, unknown>();
      for (const { after, asked } of steps) {
        for (const { type, params } of asked) {
          if (type === 'armTimer') armed.set(params['timer'], params['at']);
          if (type === 'disarmTimer') armed.delete(params['timer']);
        }
        expect(Object.fromEntries(armed)).toEqual(wantedTimers(after));
      }
    }
  });

  it('never has more probes than configured, and never stays half-open once it is decided', () => {
    for (const { steps } of walks) {
      for (const { after } of steps) {
        if (after.value !== 'half-open') continue;
        const { probes, successes, failures } = after.context;
        expect(probes.length + successes + failures).toBeLessThanOrEqual(halfOpen.probes);
        expect(successes).toBeLessThan(halfOpen.successes);
        expect(halfOpen.probes - failures).toBeGreaterThanOrEqual(halfOpen.successes);
      }
    }
  });

  it('leaves isolation only when the last handle is released', () => {
    for (const { steps } of walks) {
      for (const { event, before, after } of steps) {
        if (before?.value !== 'isolated' || after.value === 'isolated') continue;
        expect([event.type, before.context.isolations, after.value]).toEqual(['release', 1, 'closed']);
      }
    }
  });

  it('counts openings in a row until it is closed', () => {
    for (const { steps } of walks) {
      for (const { event, before, after } of steps) {
        if (!before || event.type === 'restore') continue;
        const rise = after.value === 'open' && before.value !== 'open' ? 1 : 0;
        const closed = after.value === 'closed' && after.context.epoch > before.context.epoch;
        expect(after.context.timesOpened).toBe(closed ? 0 : before.context.timesOpened + rise);
      }
    }
  });
});

function wantedTimers({ value, context }: { value: unknown; context: BreakerContext }) {
  if (value === 'open') return { open: context.openUntil };
  return value === 'half-open' ? { halfOpen: context.halfOpenUntil } : {};
}

describe('the breaker chart', () => {
  it('opens until the moment it was told, and that moment itself is enough', () => {
    expect(askedBy(trip)).toContainEqual({ type: 'armTimer', params: { timer: 'open', at: 100 } });
    expect(askedBy(trip)).toContainEqual({
      type: 'announce',
      params: { to: 'open', reason: 'failures', openUntil: 100 },
    });
    expect(stateAfter(trip, { type: 'open.elapsed', at: 99 })).toBe('open');
    expect(stateAfter(trip, due)).toBe('half-open');
  });

  it('is only ever extended, and its timer follows', () => {
    const longer = go(OPENS, trip, { type: 'open.extended', until: 150 });
    expect(longer.end.context.openUntil).toBe(150);
    expect(longer.steps.at(-1)!.asked).toEqual([{ type: 'armTimer', params: { timer: 'open', at: 150 } }]);
    expect(go(OPENS, trip, { type: 'open.extended', until: 50 }).end.context.openUntil).toBe(100);
  });

  it('gives half-open a deadline, counted from its beginning', () => {
    expect(askedBy(trip, due)).toContainEqual({ type: 'armTimer', params: { timer: 'halfOpen', at: 300 } });
    const over: BreakerEvent = { type: 'halfOpen.elapsed', at: 300, until: 400 };
    expect(go(OPENS, trip, due, over).end.context).toMatchObject({ openUntil: 400, reason: 'deadline' });
    expect(go(CLOSES, trip, due, over).end.value).toBe('closed');
  });

  it('opens from half-open too when the provider asks to be left alone', () => {
    const quiet: BreakerEvent = { type: 'threshold.reached', reason: 'requested_by_provider', until: 900 };
    expect(go(OPENS, trip, due, quiet).end).toMatchObject({ value: 'open', context: { openUntil: 900 } });
  });

  it('closes at the second success and not before', () => {
    expect(stateAfter(trip, due, started(1), started(2), good(1))).toBe('half-open');
    expect(stateAfter(trip, due, started(1), started(2), good(1), good(2))).toBe('closed');
  });

  it('opens again at the failure that puts two successes of three out of reach, not before', () => {
    const probing = [trip, due, started(1), started(2), started(3)];
    expect(stateAfter(...probing, bad(1))).toBe('half-open');
    expect(go(OPENS, ...probing, bad(1), bad(2)).end.context).toMatchObject({
      openUntil: 500,
      timesOpened: 2,
    });
    expect(stateAfter(...probing, bad(1), bad(2))).toBe('open');
  });

  it('counts a probe once, and takes one that was returned back', () => {
    expect(stateAfter(trip, due, started(1), good(1), good(1))).toBe('half-open');
    const again = go(OPENS, trip, due, started(1), back(1), started(2), started(3), started(4));
    expect(again.end.context.probes).toEqual([2, 3, 4]);
    expect(go(OPENS, trip, due, started(1), started(2), started(3), started(4)).end.context.probes).toEqual([
      1, 2, 3,
    ]);
  });

  it('does not go from closed to half-open', () => {
    expect(stateAfter(due)).toBe('closed');
  });

  it('stays isolated through time, reset and restore, until both handles are released', () => {
    expect(stateAfter(trip, isolate, due, { type: 'reset' }, restore('closed'))).toBe('isolated');
    expect(stateAfter(isolate, isolate, release)).toBe('isolated');
    expect(stateAfter(isolate, isolate, release, release)).toBe('closed');
  });

  it('restores what was saved, with a way out of every state', () => {
    expect(askedBy(restore('open'))).toContainEqual({ type: 'armTimer', params: { timer: 'open', at: 90 } });
    const half = go(OPENS, restore('half-open')).end;
    expect(half.value).toBe('half-open');
    expect(half.context).toMatchObject({ halfOpenUntil: 240, successes: 1, failures: 1, probes: [] });
    expect(go(OPENS, restore('half-open', 120)).end.context.halfOpenUntil).toBe(120);
    expect(stateAfter(restore('half-open'), started(1), good(1))).toBe('closed');
    expect(stateAfter(restore('isolated'))).toBe('closed');
  });
});
