import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../../../src/index.js';
import { simulate, simulationRules } from '../../../src/testing/index.js';
import { simulateWith, type Seams } from '../../../src/testing/simulate/simulate.js';

describe('simulate', () => {
  it('gives the same report for the same seed', async () => {
    const once = await simulate({ seed: 5 });
    expect(await simulate({ seed: 5 })).toEqual(once);
    expect(once).toMatchObject({ seed: 5, steps: 60, operations: 60 });
    expect(once.failure).toBeUndefined();
    expect((await simulate({ seed: 6 })).coverage).not.toEqual(once.coverage);
  });

  it('plays only the operations that are asked for, each as it would be with the others', async () => {
    const report = await simulate({ seed: 5, only: [3, 9, 10] });
    expect(report.operations).toBe(3);
  });

  it.each([
    [{ seed: -1 }, 'simulate().seed', '-1'],
    [{ seed: 1.5 }, 'simulate().seed', '1.5'],
    [{ steps: 0 }, 'simulate().steps', '0'],
    [{ only: [] }, 'simulate().only', '[]'],
    [{ faults: { error: 1.2 } }, 'faults.error', '1.2'],
    [{ faults: { errors: 0 } }, 'faults.errors', 'Unknown'],
    [{ faults: 'all' }, 'faults', '"all"'],
    [{ speed: 2 }, 'simulate().speed', 'Unknown'],
  ])('refuses %j', async (options, name, value) => {
    const error: unknown = await simulateWith(options as object, {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect((error as Error).message).toContain(name);
    expect((error as Error).message).toContain(value);
  });

  it('goes by the rates: without faults nothing goes wrong with a store, a provider or a process', async () => {
    const names = ['error', 'rateLimit', 'latency', 'hang', 'ignoreAbort', 'badOutput', 'late', 'overspend'];
    const more = ['cancel', 'jump', 'outage', 'store', 'restart', 'observer'];
    const faults = Object.fromEntries([...names, ...more].map((name) => [name, 0]));
    const { coverage, failure } = await simulate({ seed: 3, faults });
    expect(failure).toBeUndefined();
    expect(coverage['run: completed']).toBeGreaterThan(10);
    for (const what of [
      'restarts',
      'closes',
      'outages',
      'troupe: store_failed',
      'warning: observer_failed',
    ]) {
      expect(coverage[what]).toBeUndefined();
    }
    expect(coverage['event: attempt_failed'] ?? 0).toBeLessThan(5);
  });
});

describe('a failure', () => {
  /** As if a rule were broken by any world in which a chain was run and a process was killed later. */
  const broken: Seams = {
    judge: ({ runs, coverage }) => {
      const chain = runs.find(({ operation }) => operation.task.plan?.strategy === 'chain');
      const isBroken = chain !== undefined && coverage.counts.has('restarts');
      return isBroken ? { rule: 'usage', message: 'broken on purpose' } : undefined;
    },
  };

  it('is shrunk to what is enough, with a story and a command that repeat it', async () => {
    const { failure } = await simulateWith({ seed: 2, faults: { restart: 0.3 } }, broken);
    expect(failure).toMatchObject({ rule: 'usage', message: 'broken on purpose' });
    const { operations, story, command } = failure!;
    expect(operations).toHaveLength(2);
    expect(story.filter((line) => line.startsWith('#'))).toHaveLength(2);
    expect(story.join('\n')).toMatch(/runs a chain plan/);
    expect(story.join('\n')).toMatch(/is killed/);
    expect(command).toBe(
      `npx troupe simulate --seed 2 --steps 60 --faults '{"restart":0.3}' --only ${operations.join(',')}`,
    );
    const again = await simulateWith({ seed: 2, faults: { restart: 0.3 }, only: operations }, broken);
    expect(again.failure).toEqual(failure);
  });
});

it('forty seeds hold every rule, and see every way a run can end and every kind of event', async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const { coverage, failure } = await simulate({ seed });
    expect(failure).toBeUndefined();
    for (const what of Object.keys(coverage)) seen.add(what);
  }
  const ends = ['completed', 'partial', 'failed', 'timed_out', 'budget_exceeded', 'cancelled'];
  const events = [
    'run_started',
    'tool_started',
    'attempt_failed',
    'retry_scheduled',
    'fallback_started',
    'breaker_changed',
    'budget_warning',
    'delta',
    'warning',
    'replicate_started',
    'replicate_done',
    'partial_summary',
    'bundle_ready',
    'run_completed',
    'error',
    'timeout',
    'cancelled',
  ];
  const others = [
    'replays',
    'coalesced',
    'restarts',
    'closes',
    'hedges',
    'bundles',
    'plan: chain',
    'plan: parallel',
    'refused: conflict',
    'refused: store_failed',
    'refused: closed',
    'troupe: store_failed',
    'troupe: cooldown_started',
    'troupe: breaker_changed to open (failures)',
    'warning: abort_ignored',
    'troupe: breaker_changed to half-open (elapsed)',
    'troupe: breaker_changed to isolated (requested)',
    'troupe: breaker_changed to closed (probes_succeeded)',
  ];
  const expected = [
    ...ends.map((end) => `run: ${end}`),
    ...events.map((type) => `event: ${type}`),
    ...others,
  ];
  expect(expected.filter((what) => !seen.has(what))).toEqual([]);
}, 180_000);

it('every rule says what it asks', () => {
  for (const [name, says] of Object.entries(simulationRules)) {
    expect(name).toMatch(/^[a-z_]+$/);
    expect(says.length).toBeGreaterThan(20);
  }
});
