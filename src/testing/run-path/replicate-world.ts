import type { ToolContext } from '../../core/tool.js';
import { replicateMachine, type ReplicateContext } from '../../machines/index.js';
import { ReliableOrchestrator } from '../../orchestrator.js';
import type { ReplicateRun } from '../../runtime/replicate.js';
import { AttemptWorld } from './attempt-world.js';
import { backendOf, Flight } from './backend.js';
import type { Seen } from './driver.js';
import { HeldReplicates } from './held-replicates.js';
import { HeldSchema } from './held-schema.js';
import { HeldSlices } from './held-slices.js';
import { Observed } from './observed.js';
import { ESTIMATE, PlainTool } from './path-tools.js';
import type { ReplicateScript } from './replicate-script.js';
import type { WorldOptions } from './run-world.js';

/** Tokens of the run. */
export const RUN_TOKENS = 10_000;
/** Tokens of the replicate: those of a few calls. */
export const OWN_TOKENS = 100;
const TIMEOUT_MS = 100_000;

/**
 * A Troupe in simulated time around a bundle of two replicates, one at a time. The second is the one of the path: it
 * gets its turn when the first, which answers, has ended, and is a loser once that is counted and found enough.
 */
export class ReplicateWorld extends AttemptWorld {
  readonly slices: HeldSlices;
  readonly schema = new HeldSchema();
  /** The answer that is counted is enough. */
  isDecided = false;
  private readonly reliable: ReliableOrchestrator;
  private readonly tool: HeldReplicates;

  constructor(
    override readonly script: ReplicateScript,
    private readonly options: WorldOptions,
    private readonly observed = new Observed(
      replicateMachine.id,
      ({ context }) => (context as ReplicateContext).replicateId,
    ),
    private readonly verdict = { retryable: false },
  ) {
    super(script, observed, {
      budgetTokens: RUN_TOKENS,
      classify: (error) => ((error as Error).name === 'InvalidOutputError' ? { ...verdict } : undefined),
    });
    this.slices = new HeldSlices(() => this.host.now());
    Object.assign(this.host, { slices: this.slices });
    this.reliable = new ReliableOrchestrator({ troupe: this.sim.troupe });
    const backend = backendOf(options.answer);
    this.tool = new HeldReplicates(
      script.input.candidate,
      options.tool?.(backend) ?? new PlainTool('a', backend),
      (tool, context) => this.takeOff(tool, context),
      { output: this.schema, shouldStop: () => this.isDecided, estimate: () => this.estimate },
      options.toolOptions,
    );
    this.sim.troupe.registerTool(this.tool);
  }

  get seen(): readonly Seen[] {
    return this.observed.seenOf(this.id);
  }

  get context(): ReplicateContext {
    return (this.host.hosted.get(this.id) as ReplicateRun).context;
  }

  /** The first call is the other replicate's. */
  flightOf(call: number): Flight | undefined {
    return this.flights[call];
  }

  /** A caller begins the run, or joins it with more time. */
  call(): void {
    const { script, options } = this;
    const { input, timeoutMs: replicateTimeoutMs } = script;
    this.callers.push(
      this.reliable.start({
        toolName: this.tool.name,
        request: options.request,
        toolOptions: {
          ...options.toolOptions,
          k: 2,
          maxParallel: 1,
          speculate: true,
          ...(replicateTimeoutMs === undefined ? {} : { replicateTimeoutMs }),
          ...(script.has('budget.exceeded') ? { perReplicateBudget: { tokens: this.ownTokens } } : {}),
        },
        events: (event) => void this.events.push(event),
        options: {
          timeoutMs: TIMEOUT_MS * (this.callers.length + 1),
          abortGraceMs: input.abortGraceMs,
          streaming: script.streams,
          ...(input.attemptTimeoutMs === null ? {} : { attemptTimeoutMs: input.attemptTimeoutMs }),
          ...(script.has('deadline.extended') ? { idempotencyKey: 'path' } : {}),
          ...(script.usesRunBudget ? { budget: this.budget } : {}),
        },
      }),
    );
  }

  /** What is said of the answer that is being checked. */
  check(isValid: boolean, retryable = false): void {
    this.verdict.retryable = retryable;
    this.schema.answer(isValid);
  }

  private get id(): string {
    return `${this.run.id}#r2`;
  }

  private get ownTokens(): number {
    return this.script.shortAfter === 0 ? ESTIMATE.tokens / 2 : OWN_TOKENS;
  }

  /** The other replicate must get its call in any case. */
  private get estimate() {
    return this.flights.length === 0 ? { tokens: 0 } : ESTIMATE;
  }

  private takeOff(tool: string, context: ToolContext): Flight {
    const number = this.flights.length;
    const flight = new Flight(tool, context, number === 0 || this.script.ignoresAbort(number));
    this.flights.push(flight);
    // Its next call will not be covered.
    if (number > 0 && number === this.script.shortAfter)
      context.budget.charge({ totalTokens: OWN_TOKENS - ESTIMATE.tokens / 2 });
    return flight;
  }
}
