import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineTool, type AnyTool, ReliableOrchestrator, Troupe, type Run } from '../../../src/index.js';
import { AttemptOracle, VirtualClock, type AttemptOracleOptions } from '../../../src/testing/index.js';
import { quiet } from '../../reliability/scene.js';
import { same, Shared, turn, walkAll, walkRandomly, type Lockstep } from './lockstep.js';

const STEP_MS = 100;
const FAILURES = {
  busy: { status: 503 },
  'busy for long': { status: 503, retryAfterMs: 240 },
  limited: { status: 429, retryAfterMs: 160 },
  'limited for long': { status: 429, retryAfterMs: 700 },
  bad: { status: 400 },
} as const;
const OPS = [
  'start',
  'ok',
  ...(Object.keys(FAILURES) as (keyof typeof FAILURES)[]),
  'elapse',
  'abort',
] as const;
/** What another run is told by the provider of `main`. */
const TOLD = { told: 260, 'told for long': 600 } as const;
/** `stale`: a call that was given up settles after all. */
type Op = (typeof OPS)[number] | keyof typeof TOLD | 'stale';

type Options = Omit<AttemptOracleOptions, 'random'>;

/** Multiples of 1/8, so that all delays are whole. */
const DRAWS = [0.5, 0.875, 0, 0.25, 0.625];

const main = { name: 'main', provider: 'p', idempotent: true };
const BASE: Options = {
  tools: [main],
  maxRetries: 2,
  maxAttempts: 4,
  initialDelayMs: 80,
  maxDelayMs: 400,
  exponentialBase: 4,
  jitter: 'none',
  retryBudget: false,
  timeoutMs: Infinity,
  attemptTimeoutMs: Infinity,
  abortGraceMs: 170,
};

const CONFIGS = {
  'one tool with full jitter': { ...BASE, jitter: 'full' },
  'a fallback of another provider, a deadline': {
    ...BASE,
    tools: [main, { name: 'spare', provider: 'q', idempotent: true }],
    maxRetries: 1,
    maxAttempts: 3,
    timeoutMs: 390,
    jitter: 'full',
  },
  'a fallback of the same provider, a limit for each attempt': {
    ...BASE,
    tools: [main, { name: 'spare', provider: 'p', idempotent: false }],
    maxRetries: 1,
    attemptTimeoutMs: 130,
    timeoutMs: 850,
  },
  'a small retry budget': {
    ...BASE,
    tools: [main, { name: 'spare', provider: 'p', idempotent: true }],
    retryBudget: { tokens: 4, ratio: 0.5 },
    attemptTimeoutMs: 110,
    abortGraceMs: 40,
  },
} satisfies Record<string, Options>;

/** So many have no idle step, of 9 ** 4 each. */
const SEQUENCES: Readonly<Record<string, number>> = {
  'one tool with full jitter': 320,
  'a fallback of another provider, a deadline': 621,
  'a fallback of the same provider, a limit for each attempt': 407,
  'a small retry budget': 381,
};

/** What the oracle says, and which calls are still out although nobody waits for them. */
class Model {
  readonly oracle: AttemptOracle;
  draw = DRAWS[0]!;
  private steps = 0;
  private made = 0;
  private settled = 0;

  constructor(
    options: Options,
    /** Calls of other runs that are out. */
    private others = 0,
  ) {
    this.oracle = new AttemptOracle({ ...options, random: () => this.draw });
  }

  get isInFlight(): boolean {
    return ['calling', 'overrun', 'stopping'].includes(this.oracle.phase);
  }

  /** Calls that were given up and have not settled. */
  get stale(): number {
    return this.made + this.oracle.calls.length - this.settled - Number(this.isInFlight);
  }

  next(): void {
    this.draw = DRAWS[this.steps++ % DRAWS.length]!;
  }

  /** Whether the operation has anything to act upon. */
  may(op: Op): boolean {
    if (op === 'elapse') return true;
    if (op === 'start') return this.oracle.phase === 'idle';
    if (op in TOLD) return this.others > 0;
    if (op === 'abort') return this.oracle.phase !== 'idle' && this.oracle.phase !== 'stopping';
    return op === 'stale' ? this.stale > 0 : this.isInFlight;
  }

  do(op: Op): void {
    const { oracle } = this;
    switch (op) {
      case 'start':
        this.made += oracle.calls.length;
        return oracle.start();
      case 'elapse':
        return oracle.elapse(STEP_MS);
      case 'abort':
        return oracle.abort();
    }
    if (op in TOLD) {
      this.others -= 1;
      return oracle.told('p', TOLD[op as keyof typeof TOLD]);
    }
    this.settled += 1;
    if (op === 'ok') return oracle.ok();
    if (op === 'stale') return;
    const { status, ...failure } = FAILURES[op as keyof typeof FAILURES];
    const isServer = status === 503;
    const category = isServer ? 'server' : status === 429 ? 'rate_limit' : 'validation';
    oracle.fail({ category, isHarmless: !isServer, ...failure });
  }
}

interface HeldCall {
  readonly tool: string;
  readonly at: number;
  abortedAt: number | null;
  settle: ((op: Op) => void) | undefined;
}

class Stage {
  readonly clock = new VirtualClock(0);
  readonly troupe: Troupe;
  readonly reliable: ReliableOrchestrator;
  stories = 0;
  draw = () => 0;

  constructor(options: Options) {
    const { maxRetries, maxAttempts, initialDelayMs, maxDelayMs, exponentialBase, jitter } = options;
    const retry = { maxRetries, maxAttempts, initialDelayMs, maxDelayMs, exponentialBase, jitter };
    this.troupe = new Troupe({
      clock: this.clock,
      random: () => this.draw(),
      logger: quiet,
      reliability: { ...retry, retryBudget: options.retryBudget, breaker: false },
    });
    this.reliable = new ReliableOrchestrator({ troupe: this.troupe });
  }
}

/** Runs of a real orchestrator beside the oracle's. Its tools ignore their signals. */
class Pair implements Lockstep<Op> {
  private readonly model: Model;
  private readonly stage: Stage;
  private readonly tools: readonly AnyTool[];
  private readonly startedAt: number;
  private run: Run | undefined;
  private calls: HeldCall[] = [];
  private end_: unknown = null;
  private readonly unsettled: HeldCall[] = [];
  private readonly others: ((retryAfterMs: number) => void)[] = [];

  constructor(
    private readonly options: Options,
    private readonly stages: Shared<Stage>,
    others = 0,
  ) {
    this.model = new Model(options, others);
    this.stage = stages.take();
    this.startedAt = this.stage.clock.now();
    this.stage.draw = () => this.model.draw;
    // New ones for each story: nothing is known of their providers.
    const story = ++this.stage.stories;
    this.tools = options.tools.map(({ name, provider, idempotent }) =>
      defineTool({
        name: `${name}_${story}`,
        provider: `${provider}_${story}`,
        idempotent,
        execute: (_, __, { signal }) => this.called(name, signal),
      }),
    );
    for (const tool of this.tools) this.stage.troupe.registerTool(tool);
    for (let i = 0; i < others; i++) this.startOther(`p_${story}`);
  }

  private get now(): number {
    return this.stage.clock.now() - this.startedAt;
  }

  async do(op: Op): Promise<void> {
    if (!this.model.may(op)) return;
    this.model.next();
    // The other runs may not have made their calls yet.
    if (op in TOLD) await turn();
    if (op === 'elapse') await this.pass(STEP_MS);
    else if (op === 'start') this.start();
    else if (op === 'abort') this.run!.cancel();
    else if (op in TOLD) this.others.pop()!(TOLD[op as keyof typeof TOLD]);
    else this.settle(op);
    await turn();
    this.model.do(op);
  }

  check(): void {
    const { calls, end, phase } = this.model.oracle;
    const seen = this.calls.map(({ tool, at, abortedAt }) => ({ tool, at, abortedAt }));
    same([seen, this.end_, this.phase], [calls, end, phase]);
  }

  async end(): Promise<void> {
    await this.do('abort');
    await this.pass(this.options.abortGraceMs);
    this.model.oracle.elapse(this.options.abortGraceMs);
    this.check();
    for (const tell of this.others) tell(0);
    await turn();
    same([this.stage.clock.pending], [0]);
    this.stages.giveBack(this.stage);
  }

  private start(): void {
    const { timeoutMs, attemptTimeoutMs, abortGraceMs } = this.options;
    const [tool, ...fallbacks] = this.tools;
    this.calls = [];
    this.end_ = null;
    this.run = this.stage.reliable.start({
      tool: tool!,
      request: {},
      options: {
        ...(timeoutMs === Infinity ? {} : { timeoutMs }),
        ...(attemptTimeoutMs === Infinity ? {} : { attemptTimeoutMs }),
        abortGraceMs,
        fallback: fallbacks.map(({ name }) => name),
      },
    });
    const ended = (output: { status: string; error?: { code: string; retryAfterMs?: unknown } }) => {
      const { status, error } = output;
      const { code = null, retryAfterMs = null } = error ?? {};
      this.end_ = { status, code, retryAfterMs, at: this.now };
    };
    this.run.output.then(ended, (error: { output: Parameters<typeof ended>[0] }) => ended(error.output));
  }

  private startOther(provider: string): void {
    const execute = () =>
      new Promise<never>((_, reject) => {
        this.others.push((retryAfterMs) => {
          reject(Object.assign(new Error('told'), { status: 429, retryAfterMs }));
        });
      });
    const tool = defineTool({ name: 'other', provider, execute });
    this.stage.reliable.start({ tool, request: {}, options: { reliability: { maxRetries: 0 } } });
  }

  private called(tool: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: HeldCall = { tool, at: this.now, abortedAt: null, settle: undefined };
      call.settle = (op) => {
        if (op === 'ok' || op === 'stale') resolve('ok');
        else reject(Object.assign(new Error(op), FAILURES[op as keyof typeof FAILURES]));
      };
      signal.addEventListener('abort', () => (call.abortedAt = this.now));
      this.calls.push(call);
      this.unsettled.push(call);
    });
  }

  private settle(op: Op): void {
    const call = op === 'stale' ? this.unsettled.shift() : this.unsettled.pop();
    call!.settle!(op);
  }

  private async pass(ms: number): Promise<void> {
    const { clock } = this.stage;
    const until = clock.now() + ms;
    while (clock.fireNext(until)) await turn();
  }

  /** Which phase of the oracle the chart's state is. */
  private get phase(): string {
    const state = this.run?.snapshot().state ?? '';
    if (this.end_ !== null || state === '') return 'idle';
    if (state.startsWith('settling')) return 'stopping';
    if (state.endsWith('calling')) return 'calling';
    if (state.endsWith('overrunning')) return 'overrun';
    return state.endsWith('backingOff') || state.endsWith('cooldown') ? 'waiting' : state;
  }
}

describe.each(Object.entries(CONFIGS))('attempts and their oracle agree with %s', (name, options) => {
  const isIdle = (ops: readonly Op[]) => {
    const model = new Model(options);
    return ops.some((op) => {
      if (!model.may(op)) return true;
      model.next();
      model.do(op);
      return false;
    });
  };
  const stages = new Shared(() => new Stage(options));

  it('on all short sequences', async () => {
    expect(await walkAll<Op>(OPS, 4, ['start'], isIdle, () => new Pair(options, stages))).toBe(
      SEQUENCES[name],
    );
  }, 60_000);

  it('on long random sequences', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom<Op>('start', 'elapse') },
      { weight: 3, arbitrary: fc.constantFrom<Op>(...OPS, 'stale', 'told', 'told for long') },
    );
    await walkRandomly(step, () => new Pair(options, stages, 3), { runs: 100, length: 50 });
  }, 60_000);
});
