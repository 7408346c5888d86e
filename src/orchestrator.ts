import type { OrchestrationOptions } from './core/config.js';
import type { ReliabilityOptions } from './core/reliability.js';
import { parseReliability } from './core/reliability.js';
import {
  InvalidOptionsError,
  isOrchestratorError,
  OrchestratorError,
  TroupeClosedError,
} from './core/errors.js';
import type { RunEvent } from './core/events.js';
import type { OrchestrationOutput } from './core/output.js';
import type { Planner } from './core/planning/planner.js';
import { RuleBasedPlanner } from './core/planning/rules.js';
import type { AnyTool, ContentOf, OptionsOf, RequestOf } from './core/tool.js';
import { parseArguments, type OrchestratorSettings, type RunArguments } from './runtime/arguments.js';
import type { Run } from './runtime/run-handle.js';
import { defaultTroupe, hostOf, Troupe } from './troupe.js';

interface CommonArguments {
  options?: OrchestrationOptions;
  /** Called with each event as it happens. */
  events?: (event: RunEvent) => void;
  /** Aborting it cancels the run. */
  signal?: AbortSignal;
}

type ToolNamed<Tools extends readonly AnyTool[], Name> = Extract<Tools[number], { readonly name: Name }>;
/** Never for a Troupe whose tools the compiler does not know. */
type NamesOf<Tools extends readonly AnyTool[]> = string extends Tools[number]['name']
  ? never
  : Tools[number]['name'];

/** What a tool takes: its request, or a text that becomes `{ query }`. */
type RequestFor<T> = RequestOf<T> | string;

/** Arguments of a run whose tool the compiler knows. */
export interface ToolArguments<T extends AnyTool> extends CommonArguments {
  tool: T;
  request: RequestFor<T>;
  toolOptions?: Partial<OptionsOf<T>>;
}

/** Arguments of a run by the name of a tool given to `new Troupe({ tools })`. */
export interface NamedArguments<T extends AnyTool, Name> extends CommonArguments {
  toolName: Name;
  request: RequestFor<T>;
  toolOptions?: Partial<OptionsOf<T>>;
}

/** Arguments of a run by a name the compiler does not know, or without one. */
export interface UntypedArguments<Name = string> extends CommonArguments {
  toolName?: Name;
  request: unknown;
  toolOptions?: Record<string, unknown>;
}

type Unknown<Tools extends readonly AnyTool[], Name> = Name extends NamesOf<Tools> ? never : Name;

/** Runs the tool you name: one call, with deadline, budget, pool, cancellation, events and idempotency. */
export class Orchestrator<Tools extends readonly AnyTool[] = readonly AnyTool[]> {
  readonly troupe: Troupe<Tools>;
  /** @internal */
  protected settings: OrchestratorSettings = {
    isReliable: false,
    planner: undefined,
    retryLayers: [],
  };

  /** @param troupe Default: the process-wide one. */
  constructor(troupe?: Troupe<Tools>) {
    if (troupe !== undefined && !(troupe instanceof Troupe)) {
      throw new InvalidOptionsError('An orchestrator takes a Troupe: `new Orchestrator(troupe)`.');
    }
    this.troupe = troupe ?? (defaultTroupe() as Troupe<any>);
  }

  /**
   * Runs a tool and gives its output. A run whose tools could not answer resolves with the status `failed`.
   *
   * @throws {BudgetExceeded} when its time, tokens or dollars were spent.
   * @throws {CancelledError} when it was cancelled.
   * @throws {InvalidOptionsError} {ToolNotFoundError} {PlanningError} {ConflictError} {TroupeClosedError}
   *   {OverloadedError} before it starts.
   */
  run<T extends AnyTool>(args: ToolArguments<T>): Promise<OrchestrationOutput<ContentOf<T>>>;
  run<const Name extends NamesOf<Tools>>(
    args: NamedArguments<ToolNamed<Tools, Name>, Name>,
  ): Promise<OrchestrationOutput<ContentOf<ToolNamed<Tools, Name>>>>;
  run<const Name extends string>(
    args: UntypedArguments<Unknown<Tools, Name>>,
  ): Promise<OrchestrationOutput<unknown>>;
  run(args: object): Promise<OrchestrationOutput> {
    return this.launch(args as RunArguments).output;
  }

  /** Like {@link Orchestrator.run}, but returns at once; what `run` would throw rejects `output`. */
  start<T extends AnyTool>(args: ToolArguments<T>): Run<ContentOf<T>>;
  start<const Name extends NamesOf<Tools>>(
    args: NamedArguments<ToolNamed<Tools, Name>, Name>,
  ): Run<ContentOf<ToolNamed<Tools, Name>>>;
  start<const Name extends string>(args: UntypedArguments<Unknown<Tools, Name>>): Run<unknown>;
  start(args: object): Run {
    return this.launch(args as RunArguments);
  }

  private launch(args: RunArguments): Run {
    const host = hostOf(this.troupe);
    try {
      if (this.troupe.isClosed) throw new TroupeClosedError();
      return host.starter.start(parseArguments(host, args, this.settings));
    } catch (error) {
      const known = isOrchestratorError(error)
        ? error
        : new OrchestratorError('internal', 'The run could not be started.', { cause: error });
      return host.starter.rejected(known);
    }
  }
}

export interface ReliableOptions<Tools extends readonly AnyTool[]> {
  /** Default: the process-wide one. */
  troupe?: Troupe<Tools>;
  /** Chooses tools for requests that name none. Default: `new RuleBasedPlanner()`. */
  planner?: Planner;
  /** The retry part, for the runs of this orchestrator; the shared part is the Troupe's. */
  reliability?: ReliabilityOptions;
}

/**
 * Adds to {@link Orchestrator} planning, retry, shared breakers, retry budgets, and fallback along the plan.
 *
 * @throws {InvalidOptionsError} for options that are unknown, or belong to the Troupe and differ from its own.
 */
export class ReliableOrchestrator<
  Tools extends readonly AnyTool[] = readonly AnyTool[],
> extends Orchestrator<Tools> {
  constructor(options: ReliableOptions<Tools> = {}) {
    if (typeof options !== 'object' || options === null) {
      throw new InvalidOptionsError(
        'ReliableOrchestrator takes an object: `{ troupe, planner, reliability }`.',
      );
    }
    for (const key of Object.keys(options)) {
      if (!['troupe', 'planner', 'reliability'].includes(key)) {
        throw new InvalidOptionsError(
          `Unknown option \`${key}\`. ReliableOrchestrator takes troupe, planner, reliability.`,
        );
      }
    }
    super(options.troupe);
    if (options.planner !== undefined && typeof options.planner?.plan !== 'function') {
      throw new InvalidOptionsError('Option `planner` must have the method plan(request, tools, context).');
    }
    const reliability = parseReliability(options.reliability);
    this.troupe.adoptShared(reliability);
    const { breaker: _breaker, retryBudget: _retryBudget, providers: _providers, ...retry } = reliability;
    this.settings = {
      isReliable: true,
      planner: options.planner ?? new RuleBasedPlanner(),
      retryLayers: Object.keys(retry).length === 0 ? [] : [retry],
    };
  }
}
