import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Budget,
  defineTool,
  Orchestrator,
  toolResult,
  Troupe,
  type BudgetExceeded,
  type Run,
  type ToolContext,
} from '../../../src/index.js';
import { BudgetOracle, VirtualClock, type BudgetOracleAmount } from '../../../src/testing/index.js';
import { quiet } from '../../reliability/scene.js';
import { same, Shared, turn, walkAll, walkRandomly, type Lockstep } from './lockstep.js';

const STEP_MS = 100;

/** Runs, by the operation that starts them. */
const REQUESTS = {
  small: { tool: 'sighted', estimate: { tokens: 30, costUsd: 0.25 }, timeoutMs: 150 },
  large: { tool: 'sighted', estimate: { tokens: 60, costUsd: 0.125 }, timeoutMs: Infinity },
  dear: { tool: 'sighted', estimate: { tokens: 10, costUsd: 0.75 }, timeoutMs: Infinity },
  'half blind': { tool: 'sighted', estimate: { tokens: 20 }, timeoutMs: Infinity },
  blind: { tool: 'blind', timeoutMs: Infinity },
} as const;
type Start = keyof typeof REQUESTS;

/** What happens to the oldest call, and what share of its reservation it then reports. */
const REPORTS = { 'ok as expected': 1, 'ok for half': 0.5, 'ok for more': 1.5 } as const;
type Report = keyof typeof REPORTS;
type Op = Start | Report | 'ok' | 'fail' | 'refused' | 'charge' | 'abort call' | 'abort waiter' | 'elapse';
const CHARGE = { tokens: 40, costUsd: 0.25 };

const OPS: readonly Op[] = [
  ...(Object.keys(REQUESTS) as Start[]),
  ...(Object.keys(REPORTS) as Report[]),
  ...(['ok', 'fail', 'refused', 'charge', 'abort call', 'abort waiter', 'elapse'] as const),
];

/** Which run an operation is about; undefined: there is none. */
function targetOf({ runs }: BudgetOracle, op: Op): number | undefined {
  const wanted = op === 'abort waiter' ? 'waiting' : 'calling';
  const index = runs.findIndex(({ state }) => state === wanted);
  return index === -1 ? undefined : index;
}

function may(oracle: BudgetOracle, op: Op): boolean {
  return op in REQUESTS || op === 'elapse' || targetOf(oracle, op) !== undefined;
}

function reported({ runs }: BudgetOracle, index: number, share: number): BudgetOracleAmount {
  const { tokens, costUsd } = runs[index]!.reserved;
  return { tokens: tokens * share, costUsd: costUsd * share };
}

function tell(oracle: BudgetOracle, op: Op): void {
  if (op in REQUESTS) return oracle.start(REQUESTS[op as Start]);
  const index = targetOf(oracle, op)!;
  if (op in REPORTS) return oracle.ok(index, reported(oracle, index, REPORTS[op as Report]));
  switch (op) {
    case 'ok':
      return oracle.ok(index);
    case 'fail':
    case 'refused':
      return oracle.fail(index, op === 'refused');
    case 'charge':
      return oracle.charge(index, CHARGE);
    case 'elapse':
      return oracle.elapse(STEP_MS);
    default:
      return oracle.abort(index);
  }
}

interface BudgetRequest {
  readonly index: number;
  readonly estimate?: Partial<BudgetOracleAmount>;
}

interface HeldCall {
  readonly context: ToolContext;
  resolve(content: unknown): void;
  reject(error: unknown): void;
}

const stages = new Shared(() => {
  const clock = new VirtualClock();
  return { clock, orchestrator: new Orchestrator(new Troupe({ clock, logger: quiet })) };
});

/** Runs of a real orchestrator that share a real budget, beside the oracle's. */
class Pair implements Lockstep<Op> {
  private readonly oracle: BudgetOracle;
  private readonly stage = stages.take();
  private readonly budget: Budget;
  private readonly tools = { sighted: this.tool('sighted'), blind: this.tool('blind') };
  private readonly runs: { run: Run; end: unknown; call?: HeldCall }[] = [];
  private readonly called: number[] = [];

  constructor(limits: BudgetOracleAmount) {
    this.oracle = new BudgetOracle(limits);
    const { tokens, costUsd } = limits;
    this.budget = new Budget(costUsd === Infinity ? { tokens } : { tokens, costUsd });
  }

  async do(op: Op): Promise<void> {
    if (!may(this.oracle, op)) return;
    if (op in REQUESTS) this.start(op as Start);
    else if (op === 'elapse') await this.pass(STEP_MS);
    else this.act(op, targetOf(this.oracle, op)!);
    await turn();
    tell(this.oracle, op);
  }

  check(): void {
    const states = this.runs.map(({ run, end, call }) => {
      const waits = run.snapshot().state === 'attempting.awaiting.budget';
      return [end === null ? (waits ? 'waiting' : call ? 'calling' : 'lost') : 'ended', end];
    });
    const { spent, reserved, called, runs } = this.oracle;
    const wanted = runs.map(({ state, end }) => [state, end]);
    const { budget } = this;
    same([states, this.called, budget.spent, budget.reserved], [wanted, called, spent, reserved]);
  }

  async end(): Promise<void> {
    const open = this.oracle.runs.filter(({ state }) => state !== 'ended').length;
    for (let i = 0; i < open; i++) {
      await this.do('abort waiter');
      await this.do('abort call');
    }
    this.check();
    same([this.budget.reserved, this.stage.clock.pending], [{ tokens: 0, costUsd: 0 }, 0]);
    stages.giveBack(this.stage);
  }

  private tool(name: 'sighted' | 'blind') {
    return defineTool({
      name,
      estimate: ({ estimate }: BudgetRequest) => estimate,
      execute: ({ index }: BudgetRequest, _, context) =>
        new Promise<unknown>((resolve, reject) => {
          this.called.push(index);
          this.runs[index]!.call = { context, resolve, reject };
          context.signal.addEventListener('abort', () => reject(context.signal.reason as Error));
        }),
    });
  }

  private start(kind: Start): void {
    const { tool, timeoutMs, ...estimate } = REQUESTS[kind];
    const index = this.runs.length;
    const run = this.stage.orchestrator.start({
      tool: this.tools[tool],
      request: { index, ...estimate },
      options: { budget: this.budget, ...(timeoutMs === Infinity ? {} : { timeoutMs }) },
    });
    const entry: (typeof this.runs)[number] = { run, end: null };
    this.runs.push(entry);
    run.output.then(
      ({ status }) => (entry.end = { status, resource: null }),
      ({ output, resource }: BudgetExceeded) =>
        (entry.end = {
          status: output!.status,
          resource: output!.status === 'budget_exceeded' ? resource : null,
        }),
    );
  }

  private act(op: Op, index: number): void {
    const { run, call } = this.runs[index]!;
    if (op === 'abort call' || op === 'abort waiter') return run.cancel();
    if (op === 'charge')
      return call!.context.budget.charge({ totalTokens: CHARGE.tokens, costUsd: CHARGE.costUsd });
    if (op === 'fail') return call!.reject(Object.assign(new Error(op), { status: 503 }));
    if (op === 'refused') return call!.reject(Object.assign(new Error(op), { status: 429 }));
    if (op === 'ok') return call!.resolve('ok');
    const { tokens, costUsd } = reported(this.oracle, index, REPORTS[op as Report]);
    call!.resolve(toolResult({ content: 'ok', usage: { totalTokens: tokens, costUsd } }));
  }

  private async pass(ms: number): Promise<void> {
    const until = this.stage.clock.now() + ms;
    while (this.stage.clock.fireNext(until)) await turn();
  }
}

const LIMITS = {
  tokens: { tokens: 100, costUsd: Infinity },
  'tokens and dollars': { tokens: 100, costUsd: 1 },
} as const;

/** So many have no idle step, of 15 ** 3 and 15 ** 2. */
const SEQUENCES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  tokens: {
    'none at work': 782,
    'two at work and one that waits': 219,
    'one that holds all, and two that wait': 178,
    'what a blind tool reported': 52,
  },
  'tokens and dollars': {
    'none at work': 783,
    'two at work and one that waits': 219,
    'one that holds all, and two that wait': 178,
    'what a blind tool reported': 44,
  },
};

describe.each(Object.entries(LIMITS))('a shared budget of %s and its oracle agree', (name, limits) => {
  const pair = () => new Pair(limits);
  const isIdle = (ops: readonly Op[]) => {
    const oracle = new BudgetOracle(limits);
    return ops.some((op) => {
      const idle = !may(oracle, op);
      if (!idle) tell(oracle, op);
      return idle;
    });
  };

  it.each<[string, Op[], number]>([
    ['none at work', [], 3],
    ['two at work and one that waits', ['large', 'small', 'large'], 2],
    ['one that holds all, and two that wait', ['blind', 'large', 'small'], 2],
    ['what a blind tool reported', ['blind', 'ok for half', 'blind', 'ok for half'], 2],
  ])(
    'on all short sequences from %s',
    async (from, prefix, depth) => {
      expect(await walkAll(OPS, depth, prefix, isIdle, pair)).toBe(SEQUENCES[name]![from]);
    },
    60_000,
  );

  it('on long random sequences', async () => {
    await walkRandomly(fc.constantFrom(...OPS), pair, { runs: 150, length: 60 });
  }, 60_000);
});
