import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  BundleTool,
  Orchestrator,
  Troupe,
  type BudgetExceeded,
  type OrchestrationOutput,
  type ReplicateDraw,
  type Run,
  type ToolContext,
} from '../../../src/index.js';
import { BundleOracle, VirtualClock, type BundleOracleOptions } from '../../../src/testing/index.js';
import { bundleOf } from '../../contract/bundle-fixtures.js';
import { quiet } from '../../reliability/scene.js';
import { same, Shared, turn, walkAll, walkRandomly, type Lockstep } from './lockstep.js';

const STEP_MS = 100;

/** What the first, or the last, of several replicates in flight does. */
const SETTLING = ['x', 'y', 'z', 'invalid', 'fail', 'last x', 'last y', 'last invalid'] as const;
const OPS = [...SETTLING, 'abort', 'elapse'] as const;
type Op = (typeof OPS)[number];

const CONFIGS = {
  'the defaults': { k: 3, epsilon: 0.2, speculate: false, maxParallel: 10, timeoutMs: 250 },
  'ten at .05, four at a time': { k: 10, epsilon: 0.05, speculate: false, maxParallel: 4, timeoutMs: 450 },
  'six at exactly 1/8': { k: 6, epsilon: 0.125, speculate: false, maxParallel: 10, timeoutMs: Infinity },
  'curtailment alone': { k: 5, epsilon: 0, speculate: false, maxParallel: 2, timeoutMs: Infinity },
  speculation: { k: 5, epsilon: 0.2, speculate: true, maxParallel: 3, timeoutMs: 350 },
} as const satisfies Record<string, BundleOracleOptions>;

/** So many have no idle step, of 10 ** 3 each. */
const SEQUENCES: Readonly<Record<string, number>> = {
  'the defaults': 367,
  'ten at .05, four at a time': 810,
  'six at exactly 1/8': 415,
  'curtailment alone': 618,
  speculation: 720,
};

/** Which replicate an operation is about. */
function target(oracle: BundleOracle, op: Op): number | undefined {
  return op.startsWith('last') ? oracle.asked.at(-1) : oracle.asked[0];
}

function may(oracle: BundleOracle, op: Op): boolean {
  if (op.startsWith('last')) return oracle.asked.length > 1;
  return oracle.end === null;
}

function tell(oracle: BundleOracle, op: Op): void {
  if (op === 'abort') return oracle.abort();
  if (op === 'elapse') return oracle.elapse(STEP_MS);
  const index = target(oracle, op)!;
  const what = op.replace('last ', '');
  if (what === 'invalid') oracle.invalid(index);
  else if (what === 'fail') oracle.fail(index);
  else oracle.answer(index, what);
}

interface HeldCall {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

const stages = new Shared(() => {
  const clock = new VirtualClock();
  return { clock, orchestrator: new Orchestrator(new Troupe({ clock, logger: quiet })) };
});

/** A real bundle, whose replicates obey their signals, beside the oracle's. */
class Pair implements Lockstep<Op> {
  private readonly oracle: BundleOracle;
  private readonly stage = stages.take();
  private readonly calls: HeldCall[] = [];
  private run: Run | undefined;
  private output: OrchestrationOutput | undefined;

  constructor(private readonly options: BundleOracleOptions) {
    this.oracle = new BundleOracle(options);
  }

  async do(op: Op): Promise<void> {
    this.run ??= await this.start();
    if (!may(this.oracle, op)) return;
    if (op === 'abort') this.run.cancel();
    else if (op === 'elapse') await this.pass(STEP_MS);
    else this.settle(op, this.calls[target(this.oracle, op)!]!);
    await turn();
    tell(this.oracle, op);
  }

  check(): void {
    const { replicates, rounds, end } = this.oracle;
    const begun = replicates.filter(({ state }) => state !== 'queued' && state !== 'withdrawn');
    const answers = begun.map(({ state, answer }) => [state, answer]);
    if (end === null || this.output === undefined) {
      const progress = this.run!.snapshot().bundle;
      const settled = begun.filter(({ state }) => state !== 'asked').length;
      const valid = begun.filter(({ state }) => state === 'valid').length;
      same(
        [this.output, this.calls.length, progress],
        [end ?? undefined, begun.length, { ...progress, issued: replicates.length, settled, valid, rounds }],
      );
      return;
    }
    const { meta, summary, replicates: seen } = bundleOf(this.output);
    const { stopReason, issued } = meta;
    same(
      [
        { status: this.output.status, stopReason, leader: summary.leader },
        seen.map(({ status, data }) => [status, status === 'valid' ? data : null]),
        [meta.rounds, issued, this.calls.length],
      ],
      [end, answers, [rounds, begun.length, begun.length]],
    );
  }

  async end(): Promise<void> {
    await this.do('abort');
    this.check();
    same([this.stage.clock.pending], [0]);
    stages.giveBack(this.stage);
  }

  private async start(): Promise<Run> {
    const { timeoutMs, ...toolOptions } = this.options;
    const run = this.stage.orchestrator.start({
      tool: new Panel(this.calls),
      request: {},
      toolOptions,
      options: timeoutMs === Infinity ? {} : { timeoutMs },
    });
    run.output.then(
      (output) => (this.output = output),
      (error: BudgetExceeded) => (this.output = error.output),
    );
    await turn();
    return run;
  }

  private settle(op: Op, call: HeldCall): void {
    const what = op.replace('last ', '');
    if (what === 'fail') call.reject(Object.assign(new Error('busy'), { status: 503 }));
    else call.resolve(what === 'invalid' ? 0 : what);
  }

  private async pass(ms: number): Promise<void> {
    const { clock } = this.stage;
    const until = clock.now() + ms;
    while (clock.fireNext(until)) await turn();
  }
}

class Panel extends BundleTool<object, string> {
  readonly name = 'panel';
  override readonly output = z.string();

  constructor(private readonly calls: HeldCall[]) {
    super();
  }

  override replicate(_: object, { index }: ReplicateDraw, { signal }: ToolContext): Promise<string> {
    return new Promise((resolve, reject) => {
      this.calls[index] = { resolve: resolve as (answer: unknown) => void, reject };
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  }
}

describe.each(Object.entries(CONFIGS))('a bundle and its oracle agree with %s', (name, options) => {
  const pair = () => new Pair(options);
  const isIdle = (ops: readonly Op[]) => {
    const oracle = new BundleOracle(options);
    return ops.some((op) => {
      const idle = !may(oracle, op);
      if (!idle) tell(oracle, op);
      return idle;
    });
  };

  it('on all short sequences', async () => {
    const count = await walkAll<Op>(OPS, 3, [], isIdle, pair);
    expect({ [name]: count }).toEqual({ [name]: SEQUENCES[name] });
  }, 60_000);

  it('on long random sequences', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom<Op>('x', 'y', 'last x', 'last y') },
      { weight: 2, arbitrary: fc.constantFrom<Op>(...SETTLING) },
      { weight: 1, arbitrary: fc.constantFrom<Op>('elapse', 'elapse', 'elapse', 'abort') },
    );
    await walkRandomly(step, pair, { runs: 150, length: 16 });
  }, 60_000);
});
