import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BreakerConfig } from '../../../src/core/reliability.js';
import { Breaker, type Permit } from '../../../src/runtime/breaker.js';
import { Timers } from '../../../src/runtime/timers.js';
import {
  BreakerOracle,
  VirtualClock,
  type BreakerOracleOptions,
  type BreakerOraclePermit,
} from '../../../src/testing/index.js';
import { same, sequences } from './lockstep.js';

const STEP_MS = 5000;
const BASE = {
  openMs: (timesInARow: number) => 10_000 * timesInARow,
  probes: 3,
  successes: 2,
  leaseMs: 13_337,
  deadlineMs: 31_791,
  onDeadline: 'open',
} as const;

const CONFIGS: Readonly<Record<string, BreakerOracleOptions>> = {
  consecutive: { ...BASE, window: { kind: 'consecutive' }, failures: 2 },
  'a time window with slow calls': {
    ...BASE,
    window: { kind: 'time', ms: 10_000 },
    failures: 2,
    slowRatio: 0.5,
    onDeadline: 'closed',
  },
  'a count window with a ratio': {
    ...BASE,
    window: { kind: 'count', size: 3 },
    failures: { ratio: 0.5, minimumCalls: 2 },
    probes: 2,
  },
};

const OPS = [
  'ok',
  'fail',
  'slow',
  'neutral',
  'elapse',
  'hold',
  'held ok',
  'held fail',
  'isolate',
  'release',
  'reset',
] as const;
type Op = (typeof OPS)[number] | 'quiet';

/** A probe of an earlier half-open, still out while the next one is full. */
const VOID_PROBE: Op[] = [
  ...(['fail', 'fail', 'elapse', 'elapse', 'hold', 'ok', 'ok', 'fail', 'fail'] as const),
  ...(['elapse', 'elapse', 'fail', 'ok', 'hold', 'fail'] as const),
];

/** The real breaker and the oracle, side by side. */
class Pair {
  readonly clock = new VirtualClock(0);
  readonly timers = new Timers(this.clock, false);
  readonly changes: string[] = [];
  readonly oracle: BreakerOracle;
  readonly breaker: Breaker;
  private readonly held: [Permit, BreakerOraclePermit][] = [];
  private readonly handles: { release(): void }[] = [];
  private probes = [0, 0];

  constructor(options: BreakerOracleOptions) {
    this.oracle = new BreakerOracle(options);
    const { window, failures, openMs, probes, successes, leaseMs, deadlineMs, onDeadline, slowRatio } =
      options;
    const config: BreakerConfig = {
      window,
      failures,
      slow: slowRatio === undefined ? undefined : { ms: 1, ratio: slowRatio },
      openMs,
      halfOpen: { probes, successes, leaseMs, deadlineMs, onDeadline },
      mode: 'on',
    };
    this.breaker = new Breaker('p', config, {
      now: () => this.clock.now(),
      timers: this.timers,
      watch: undefined,
      changed: ({ to }) => this.changes.push(to),
      warn: (message, error) => {
        throw new Error(message, { cause: error });
      },
    });
  }

  /** Does it to both, and gives what can be seen of each. */
  do(op: Op): void {
    switch (op) {
      case 'ok':
      case 'fail':
      case 'slow':
      case 'neutral':
        return this.call(op);
      case 'hold':
        return void this.acquire((mine, its) => this.held.push([mine, its]));
      case 'held ok':
      case 'held fail':
        return this.settleHeld(op === 'held ok');
      case 'elapse':
        this.advance(STEP_MS);
        return this.oracle.elapse(STEP_MS);
      case 'quiet':
        this.breaker.openUntil(this.clock.now() + 17_777);
        return this.oracle.quiet(17_777);
      case 'isolate':
        this.handles.push(this.breaker.isolate());
        return this.oracle.isolate();
      case 'release':
        if (this.handles.length === 0) return;
        this.handles.pop()!.release();
        return this.oracle.release();
      case 'reset':
        this.breaker.reset();
        return this.oracle.reset();
    }
  }

  check(): void {
    same(
      [this.breaker.state, this.probes[0], ...this.changes],
      [this.oracle.state, this.probes[1], ...this.oracle.changes],
    );
  }

  private advance(ms: number): void {
    const until = this.clock.now() + ms;
    while (this.clock.fireNext(until)) continue;
  }

  private acquire(granted: (mine: Permit, its: BreakerOraclePermit) => void) {
    const refusal = this.breaker.wouldRefuse();
    const answer = this.breaker.acquire();
    const wanted = this.oracle.ask();
    if (answer.granted && 'permit' in wanted) {
      same([refusal], [null]);
      this.probes[0]! += Number(answer.permit.kind === 'probe');
      this.probes[1]! += Number(wanted.permit.isProbe);
      granted(answer.permit, wanted.permit);
    } else {
      same([{ granted: false, ...refusal }, answer], Array(2).fill({ granted: false, ...wanted }));
    }
  }

  private call(op: 'ok' | 'fail' | 'slow' | 'neutral'): void {
    const outcome = ({ ok: 'success', fail: 'failure', slow: 'success', neutral: 'ignored' } as const)[op];
    const seen = ({ ok: 'success', fail: 'failure', slow: 'slow', neutral: 'neutral' } as const)[op];
    this.acquire((mine, its) => {
      this.breaker.settle(mine, outcome, op === 'slow');
      this.breaker.settle(mine, 'failure');
      this.oracle.settle(its, seen);
    });
  }

  private settleHeld(isGood: boolean): void {
    const pair = this.held.shift();
    if (!pair) return;
    this.breaker.settle(pair[0], isGood ? 'success' : 'failure');
    this.oracle.settle(pair[1], isGood ? 'success' : 'failure');
  }
}

function compare(options: BreakerOracleOptions, ops: readonly Op[]): void {
  const pair = new Pair(options);
  ops.forEach((op, index) => {
    try {
      pair.do(op);
      pair.check();
    } catch (error) {
      throw new Error(`${(error as Error).message}\nafter ${ops.slice(0, index + 1).join(', ')}`, {
        cause: error,
      });
    }
  });
  pair.breaker.dispose();
  same([pair.timers.size], [0]);
}

/** Whether some step has nothing to settle or to release: the sequence is then as good as a shorter one. */
function hasIdleStep(ops: readonly Op[]): boolean {
  const left = { held: 0, isolated: 0 };
  return ops.some((op) => {
    if (op === 'hold') left.held += 1;
    if (op === 'isolate') left.isolated += 1;
    if (op === 'held ok' || op === 'held fail') return --left.held < 0;
    return op === 'release' && --left.isolated < 0;
  });
}

describe.each(Object.entries(CONFIGS))('the breaker and its oracle agree with %s', (name, options) => {
  const ops = options.slowRatio === undefined ? OPS.filter((op) => op !== 'slow') : OPS;
  const deep = name === 'consecutive' ? 4 : 3;
  const opened: Op[] = ['fail', 'fail'];
  const probing: Op[] = [...opened, 'elapse', 'elapse'];

  it.each([
    ['closed', [], 3],
    ['closed, a failure short of opening', ['fail'], 3],
    ['open', opened, 3],
    ['half-open', probing, deep],
    ['half-open with two probes out', [...probing, 'hold', 'hold'], 3],
  ] as const)('on all short sequences from %s', (_state, prefix, depth) => {
    let count = 0;
    for (const sequence of sequences(ops, depth)) {
      count += 1;
      if (!hasIdleStep([...prefix, ...sequence])) compare(options, [...prefix, ...sequence]);
    }
    expect(count).toBe(ops.length ** depth);
  });

  it('on long random sequences', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom<Op>('fail', 'elapse', 'hold', 'ok') },
      { weight: 2, arbitrary: fc.constantFrom<Op>(...ops) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (sequence) =>
        compare(options, sequence),
      ),
      { seed: 1, numRuns: 150, examples: [[VOID_PROBE]] },
    );
  });

  it('also when the provider asks to be left alone', () => {
    compare(options, [...probing, 'quiet', 'ok', 'elapse', 'elapse', 'elapse', 'elapse', 'ok']);
    const step = fc.constantFrom<Op>(
      'fail',
      'elapse',
      'hold',
      'ok',
      'held ok',
      'quiet',
      'isolate',
      'release',
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (sequence) => compare(options, sequence)),
      { seed: 1, numRuns: 100 },
    );
  });
});
