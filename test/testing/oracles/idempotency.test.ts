import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConflictError,
  defineTool,
  memoryStore,
  Orchestrator,
  Troupe,
  type CancelledError,
  type OrchestrationOutput,
  type Run,
} from '../../../src/index.js';
import { IdempotencyOracle, VirtualClock } from '../../../src/testing/index.js';
import { quiet } from '../../reliability/scene.js';
import { same, Shared, turn, walkAll, walkRandomly, type Lockstep } from './lockstep.js';

const STEP_MS = 100;
const OPTIONS = { ttlMs: 200, abortGraceMs: 130 };

/** Callers, by the operation that brings them. */
const CALLS = {
  call: { key: 'k', fingerprint: 'a' },
  hurried: { key: 'k', fingerprint: 'a' },
  another: { key: 'k', fingerprint: 'b' },
  elsewhere: { key: 'l', fingerprint: 'a' },
} as const;
type Arrival = keyof typeof CALLS;

/** `stale`: a call that was given up answers after all. */
const OPS = [
  ...(Object.keys(CALLS) as Arrival[]),
  ...(['ok', 'fail', 'stale', 'first leaves', 'last leaves', 'elapse'] as const),
];
type Op = (typeof OPS)[number];

/** The oracle, and which calls are still out. */
class Model {
  readonly oracle = new IdempotencyOracle(OPTIONS);
  private readonly settled = new Set<number>();

  /** Which caller or which execution an operation is about; -1: none. */
  target(op: Op): number {
    const { callers, executions } = this.oracle;
    const stays = ({ leaving, end }: (typeof callers)[number]) => leaving === null && end === null;
    if (op === 'first leaves') return callers.findIndex(stays);
    if (op === 'last leaves') return callers.findLastIndex(stays);
    return executions.findIndex(({ state }, index) => {
      return !this.settled.has(index) && (state === 'ended') === (op === 'stale');
    });
  }

  /** By key: which of two keys is run first, where both come free in one moment, is nobody's promise. */
  nameOf(execution: number): string {
    const { executions } = this.oracle;
    const { key } = executions[execution]!;
    return `${key}${executions.slice(0, execution).filter((each) => each.key === key).length}`;
  }

  may(op: Op): boolean {
    return op in CALLS || op === 'elapse' || this.target(op) !== -1;
  }

  /** No two deadlines at the same moment. */
  timeoutOf(op: Arrival): number {
    return op === 'hurried' ? 140 + this.oracle.callers.length : Infinity;
  }

  do(op: Op): void {
    const { oracle } = this;
    if (op in CALLS) {
      const { key, fingerprint } = CALLS[op as Arrival];
      return oracle.call(key, fingerprint, this.timeoutOf(op as Arrival));
    }
    if (op === 'elapse') return oracle.elapse(STEP_MS);
    const target = this.target(op);
    if (op === 'first leaves' || op === 'last leaves') return oracle.leave(target);
    this.settled.add(target);
    if (op === 'ok') oracle.ok(target);
    if (op === 'fail') oracle.fail(target);
  }
}

const stages = new Shared(() => {
  const clock = new VirtualClock();
  const store = memoryStore({ ttlMs: OPTIONS.ttlMs });
  return { clock, orchestrator: new Orchestrator(new Troupe({ clock, store, logger: quiet })), stories: 0 };
});

interface HeldCall {
  abortedAt: number | null;
  settle(isGood: boolean): void;
}

/** Callers of a real orchestrator, whose tool ignores its signal, beside the oracle's. */
class Pair implements Lockstep<Op> {
  private readonly model = new Model();
  private readonly stage = stages.take();
  private readonly story = ++this.stage.stories;
  private readonly startedAt = this.stage.clock.now();
  private readonly runs: Run[] = [];
  private readonly ends: unknown[] = [];
  private readonly calls: Record<string, HeldCall> = {};
  private readonly tool = defineTool({
    name: 'tool',
    execute: ({ key }: { key: string; fingerprint: string }, _, { signal }) => this.called(key, signal),
  });

  async do(op: Op): Promise<void> {
    if (!this.model.may(op)) return;
    const target = this.model.target(op);
    if (op in CALLS) this.call(op as Arrival);
    else if (op === 'elapse') await this.pass(STEP_MS);
    else if (op === 'first leaves' || op === 'last leaves') this.runs[target]!.cancel();
    else this.calls[this.model.nameOf(target)]!.settle(op !== 'fail');
    await turn();
    this.model.do(op);
  }

  check(): void {
    const { callers, executions } = this.model.oracle;
    const name = (execution: number | null) => (execution === null ? null : this.model.nameOf(execution));
    const aborts = executions.map(({ abortedAt }, index) => [name(index), abortedAt] as const);
    const ends = callers.map(({ end }) => end && { ...end, answer: name(end.answer) });
    const seen = Object.entries(this.calls).map(([call, { abortedAt }]) => [call, abortedAt] as const);
    same([Object.fromEntries(seen), this.ends], [Object.fromEntries(aborts), ends]);
  }

  async end(): Promise<void> {
    for (let left = this.runs.length; left > 0; left--) await this.do('first leaves');
    await this.pass(OPTIONS.abortGraceMs);
    this.model.oracle.elapse(OPTIONS.abortGraceMs);
    this.check();
    same([this.stage.clock.pending], [0]);
    stages.giveBack(this.stage);
  }

  private get now(): number {
    return this.stage.clock.now() - this.startedAt;
  }

  private call(op: Arrival): void {
    const { key, fingerprint } = CALLS[op];
    const timeoutMs = this.model.timeoutOf(op);
    const run = this.stage.orchestrator.start({
      tool: this.tool,
      request: { key, fingerprint },
      options: {
        idempotencyKey: `${key}_${this.story}`,
        abortGraceMs: OPTIONS.abortGraceMs,
        ...(timeoutMs === Infinity ? {} : { timeoutMs }),
      },
    });
    const caller = this.runs.push(run) - 1;
    this.ends.push(null);
    const ended = ({
      status,
      content,
      metadata,
    }: Pick<OrchestrationOutput, 'status' | 'content' | 'metadata'>) => {
      const { replayed, coalesced } = metadata;
      const { now } = this;
      this.ends[caller] = { status, answer: content, isReplayed: replayed, isCoalesced: coalesced, at: now };
    };
    const metadata = { replayed: false, coalesced: false } as OrchestrationOutput['metadata'];
    run.output.then(ended, (error: CancelledError | ConflictError) => {
      if (error instanceof ConflictError) ended({ status: 'conflict' as 'failed', content: null, metadata });
      else ended(error.output!);
    });
  }

  private called(key: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const name = `${key}${Object.keys(this.calls).filter((call) => call.startsWith(key)).length}`;
      const settle = (isGood: boolean) => (isGood ? resolve(name) : reject(new Error('failed')));
      const call: HeldCall = { abortedAt: null, settle };
      this.calls[name] = call;
      signal.addEventListener('abort', () => (call.abortedAt = this.now));
    });
  }

  private async pass(ms: number): Promise<void> {
    const { clock } = this.stage;
    const until = clock.now() + ms;
    while (clock.fireNext(until)) await turn();
  }
}

describe('callers with keys and their oracle agree', () => {
  const pair = () => new Pair();
  const isIdle = (ops: readonly Op[]) => {
    const model = new Model();
    return ops.some((op) => {
      const idle = !model.may(op);
      if (!idle) model.do(op);
      return idle;
    });
  };

  it.each<[string, Op[], number, number]>([
    ['nothing', [], 3, 317],
    ['two that share a call', ['call', 'hurried'], 3, 581],
    ['one that is being aborted', ['call', 'first leaves', 'call'], 3, 638],
    ['a stored answer', ['call', 'ok'], 3, 185],
  ])(
    'on all short sequences from %s',
    async (_, prefix, depth, count) => {
      expect(await walkAll(OPS, depth, prefix, isIdle, pair)).toBe(count);
    },
    60_000,
  );

  it('on long random sequences', async () => {
    await walkRandomly(fc.constantFrom(...OPS), pair, { runs: 120, length: 60 });
  }, 60_000);
});
