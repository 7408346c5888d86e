import { isBundleTool, isSupervised } from '../core/bundle-tool.js';
import type { RetryConfig } from '../core/reliability.js';
import { copyJson, type JsonObject, type JsonValue } from '../core/json.js';
import type { PlannedTool } from '../core/planning/plan.js';
import type { PlanContext, PlannableTool } from '../core/planning/planner.js';
import { isThenable, type Awaitable } from '../core/ports.js';
import { checkSchema, type Checked } from '../core/schema.js';
import { providerOf, type AnyTool } from '../core/tool.js';
import { roomOf } from '../core/allowance.js';
import type { Candidate } from '../machines/attempt.js';
import type { AttemptRecord } from './attempt-record.js';
import { formsOf } from './estimates.js';
import type { Execution, ExecutionSpec } from './execution.js';
import type { Host } from './host.js';

/** The tools a run can use: what plans and calls ask about them. */
export class Tools {
  constructor(
    private readonly host: Host,
    readonly registry: ReadonlyMap<string, AnyTool>,
  ) {}

  /** Whether this very tool is registered. */
  has(tool: AnyTool): boolean {
    return this.registry.get(tool.name) === tool;
  }

  /** A registered tool. */
  get(name: string): AnyTool | undefined {
    return this.registry.get(name);
  }

  names(): string[] {
    return [...this.registry.keys()];
  }

  /** Whether a plan of this run may name it. */
  knows(x: Execution, name: string): boolean {
    return x.spec.inlineTool?.name === name || this.registry.has(name);
  }

  /** A tool that the run knows, given inline or registered. */
  named(x: AttemptRecord, name: string): AnyTool {
    const { inlineTool } = x.spec;
    return inlineTool?.name === name ? inlineTool : this.registry.get(name)!;
  }

  /** The caller's options beat the plan's, which beat the tool's own. */
  optionsOf(x: AttemptRecord, tool: AnyTool): JsonObject {
    const own = tool.defaultOptions as JsonObject | undefined;
    const planned = x.plannedOptions?.get(tool.name);
    const given = x.spec.toolOptions;
    return own || planned || given ? copyJson({ ...own, ...planned, ...given }) : {};
  }

  candidatesOf(x: Execution, tools: readonly PlannedTool[]): Candidate[] {
    return tools.map(({ tool: name, toolOptions }) => {
      if (toolOptions) (x.plannedOptions ??= new Map()).set(name, toolOptions);
      const tool = this.named(x, name);
      const { maxRetries, maxDelayMs, hedgeAfterMs } = this.retryConfigOf(x.spec, tool);
      const idempotent = tool.idempotent !== false;
      const isBundle = isSupervised(tool);
      // A bundle that the tool makes by itself is never made again.
      const retries = x.spec.isReliable && x.spec.ownsRetries && (isBundle || !isBundleTool(tool));
      return {
        tool: name,
        provider: providerOf(tool),
        idempotent,
        isBundle,
        maxRetries: retries ? maxRetries : 0,
        maxDelayMs,
        hedgeAfterMs: retries && idempotent ? (hedgeAfterMs ?? null) : null,
      };
    });
  }

  retryConfigOf(spec: ExecutionSpec, tool: AnyTool): RetryConfig {
    return this.host.providers.retryConfig(providerOf(tool), spec.retryLayers);
  }

  /** Without a provider's own options: for what concerns the whole run. */
  baseRetryConfig(spec: ExecutionSpec): RetryConfig {
    return this.host.providers.retryConfig('', spec.retryLayers);
  }

  plannable(x: Execution): PlannableTool[] {
    return [...this.registry.values()].map((tool) => ({
      name: tool.name,
      version: tool.version ?? '1.0.0',
      description: tool.description ?? '',
      capabilities: tool.capabilities ?? [],
      provider: providerOf(tool),
      idempotent: tool.idempotent !== false,
      accepts: (request) => accepts(tool, typeof x.spec.request === 'string' ? x.spec.request : request),
      estimate: (request) => this.host.estimates.ofPlanned(tool, request, this.optionsOf(x, tool)),
    }));
  }

  planContext(x: Execution): PlanContext {
    const { accounts, config } = x.spec;
    const room =
      accounts.length === 0 ? { tokens: Infinity, costUsd: Infinity } : roomOf(accounts, this.host.now());
    const { deadlineAt } = x.actor.getSnapshot().context;
    return {
      budget: {
        ...(room.tokens === Infinity ? {} : { tokens: room.tokens }),
        ...(room.costUsd === Infinity ? {} : { costUsd: room.costUsd }),
        ...(deadlineAt === null ? {} : { ms: Math.max(0, deadlineAt - this.host.now()) }),
      },
      breakers: this.host.providers.breakerStates([...this.registry.values()].map(providerOf)),
      failures: this.host.judging.failures,
      maxParallel: config.maxParallel,
    };
  }
}

/** Null: in one of the forms a request may have, the tool takes it. Else why not. */
function accepts(tool: AnyTool, request: JsonValue): Awaitable<string | null> {
  const reason = (known: Checked) =>
    known.ok ? null : `its \`input\` schema refuses the request (${known.problem})`;
  const [first, second] = formsOf(tool, request).map((form) => checkSchema(tool.input, form));
  if (second === undefined) return isThenable(first!) ? first.then(reason) : reason(first!);
  if (!isThenable(first!) && !isThenable(second)) return first!.ok ? null : reason(second);
  return Promise.all([first!, second]).then(([known, other]) => (known.ok ? null : reason(other)));
}
