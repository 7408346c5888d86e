import { quiet } from './quiet.js';
import { Budget } from '../../core/budget.js';
import type { RunEvent } from '../../core/events.js';
import type { Store } from '../../core/ports.js';
import type { ProviderOptions } from '../../core/reliability.js';
import { defineTool, toolResult } from '../../core/tool.js';
import type { AttemptContext } from '../../machines/index.js';
import { Orchestrator } from '../../orchestrator.js';
import type { Run } from '../../runtime/run-handle.js';
import { hostOf } from '../../troupe.js';
import { SPANS } from '../paths/attempt-events.js';
import { createSimulation, type Simulation } from '../simulation.js';
import type { AttemptScript } from './attempt-script.js';
import type { Flight, Verdict } from './backend.js';
import type { Observed } from './observed.js';

/** Holds a slot or part of the budget. */
export interface Holder {
  release(usedTokens: number): void;
}

interface AttemptWorldOptions {
  readonly budgetTokens: number;
  readonly store?: Store;
  readonly classify?: (error: unknown) => { retryable: boolean } | undefined;
}

/** A Troupe in simulated time around the attempts of one run, with everything in it that can do something to them. */
export abstract class AttemptWorld {
  /** Of the run. */
  readonly budget: Budget;
  readonly flights: Flight[] = [];
  readonly ended = new Set<Flight>();
  readonly sim: Simulation;
  readonly events: RunEvent[] = [];
  /** Callers of the run: more than one where another has joined. */
  readonly callers: Run[] = [];
  private readonly direct: Orchestrator;

  constructor(
    readonly script: AttemptScript<any>,
    observed: Observed,
    { budgetTokens, store, classify }: AttemptWorldOptions,
  ) {
    const { maxAttempts, candidates } = script;
    this.budget = new Budget({ tokens: budgetTokens });
    this.sim = createSimulation({
      logger: quiet,
      ...(store === undefined ? {} : { store }),
      inspect: (event) => observed.note(event),
      pools: Object.fromEntries(candidates.map(({ provider }) => [provider, { size: this.poolSize }])),
      reliability: {
        maxAttempts,
        jitter: 'none',
        retryBudget: false,
        delay: () => SPANS.backoff,
        breaker: false,
        ...(classify === undefined ? {} : { classify }),
        providers: Object.fromEntries(
          candidates.map(({ provider }, index) => [provider, this.providerOptions(index)]),
        ),
      },
    });
    this.direct = new Orchestrator(this.sim.troupe);
  }

  /** Of what makes the attempts, as its chart has it now. */
  abstract get context(): AttemptContext;
  /** The n-th call of the path. */
  abstract flightOf(call: number): Flight | undefined;

  get host() {
    return hostOf(this.sim.troupe);
  }

  get run(): Run {
    return this.callers[0]!;
  }

  end(flight: Flight, verdict: Verdict): void {
    this.ended.add(flight);
    flight.end(verdict);
  }

  /** A call of somebody else that holds what the run needs, until it is released with a usage. */
  occupy(provider: string, estimate: { tokens: number } | undefined): Holder {
    let release!: (usedTokens: number) => void;
    const released = new Promise<number>((resolve) => (release = resolve));
    const holder = defineTool({
      name: `holder-of-${provider}`,
      provider,
      estimate: () => estimate ?? { tokens: 0 },
      execute: async () => toolResult({ content: null, usage: { totalTokens: await released } }),
    });
    const options = estimate === undefined ? {} : { budget: this.budget };
    this.direct.start({ tool: holder, request: {}, options });
    return { release };
  }

  private get poolSize(): number {
    if (this.script.waitsOn('slot')) return 1;
    // A hedge for which there is no room is not granted.
    const isRefused = this.script.has('timer.hedge') && !this.script.has('hedge.granted');
    return isRefused ? 1 : 10;
  }

  private providerOptions(index: number): ProviderOptions {
    const { script } = this;
    const { maxRetries, maxDelayMs, hedgeAfterMs } = script.candidates[index]!;
    const failures = script.failuresToOpen(index) ?? 1000;
    return {
      maxRetries,
      maxDelayMs,
      onOpen: script.waitsForBreaker ? 'wait' : 'fail',
      breaker: { failures, window: { kind: 'consecutive' } },
      ...(hedgeAfterMs === null ? {} : { hedgeAfterMs }),
    };
  }
}
