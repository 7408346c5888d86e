import { RestatePromise } from '@restatedev/restate-sdk';
import { isSupervised } from '../core/bundle-tool.js';
import type { OrchestrationOptions } from '../core/config.js';
import {
  describeError,
  isOrchestratorError,
  OrchestratorError,
  PlanningError,
  type ErrorJson,
} from '../core/errors.js';
import { toJson, type JsonValue } from '../core/json.js';
import type { RunEvent } from '../core/events.js';
import { orThrow, type OrchestrationOutput } from '../core/output.js';
import type { PlanDecision, Planner } from '../core/planning/planner.js';
import { RuleBasedPlanner } from '../core/planning/rules.js';
import { isThenable, type Awaitable } from '../core/ports.js';
import type { RetryOptions } from '../core/reliability.js';
import { providerOf, type AnyTool } from '../core/tool.js';
import { parseArguments } from '../runtime/arguments.js';
import { MAX_REQUEST_BYTES, type Host } from '../runtime/host.js';
import type { Run } from '../runtime/run-handle.js';
import type { StartRequest } from '../runtime/starter.js';
import { fittingAnswer } from './fitting.js';
import { Invocation } from './invocation.js';
import type { Journal, JournalContext } from './journal.js';
import { LinkedBudget } from './linked-budget.js';
import type { LinkedProviders } from './linked-providers.js';
import { recordThrown, reviveThrown, type ThrownRecord } from './thrown.js';
import { checkVersion, checkWire } from './version.js';
import { askHowItIs } from './provider-link.js';
import {
  EVENTS,
  JOURNAL_VERSION,
  type Followed,
  type Looked,
  type RunAnswer,
  type RunMessage,
} from './wire.js';

interface Settled {
  readonly output?: OrchestrationOutput;
  readonly error?: unknown;
}

/** One run, in an invocation of its own. */
export async function runInvocation(
  of: Host,
  planner: Planner,
  context: JournalContext,
  message: RunMessage,
): Promise<RunAnswer> {
  checkWire(message.wire);
  const { now, looks } = await begin(of, context, message);
  const invocation = new Invocation(of, context, now, message.runId);
  const { host, journal } = invocation;
  for (const [provider, looked] of looks) (host.providers as LinkedProviders).link(provider).learn(looked);
  let given: StartRequest;
  try {
    given = requestOf(invocation, planner, message);
  } catch (error) {
    return answerOf(message, [], { error });
  }
  const events: RunEvent[] = [];
  const run = host.starter.start({ ...given, observer: (event) => events.push(event) });
  const followers = new Followers(journal, events);
  let settled: Settled | undefined;
  const end = (how: Settled) => {
    settled = how;
    invocation.engine.admission.leave();
  };
  run.output.then(
    (output) => end({ output }),
    (error) => end({ error }),
  );
  invocation.onTelling((telling) => {
    if (telling.kind === 'cancel') {
      // Who joined a run may leave it, and does not end it.
      if (telling.caller === null || telling.caller === message.caller) cancel(run, telling.reason);
    }
    if (telling.kind === 'follow') followers.add(telling.who, telling.after);
  });
  journal.onCancelled(() => run.cancel(new Error('The invocation was cancelled in Restate.')));
  await invocation.work(
    () => settled !== undefined,
    () => followers.tell(settled !== undefined),
  );
  for (const budget of invocation.engine.budgets) budget.end();
  return fittingAnswer(answerOf(message, events, settled!));
}

/** What time it is, and how the providers are that will be asked first: whatever is needed, at once. */
async function begin(
  of: Host,
  context: JournalContext,
  message: RunMessage,
): Promise<{ now: number; looks: ReadonlyMap<string, Looked> }> {
  const providers = providersOf(of, message);
  if (providers.length > 0) {
    const looked = await RestatePromise.all(providers.map((provider) => askHowItIs(context, provider)));
    const now = Math.max(...looked.map((each) => each.now));
    return { now, looks: new Map(providers.map((provider, place) => [provider, looked[place]!])) };
  }
  const { at, version } = await context.run('begin', () => ({ at: Date.now(), version: JOURNAL_VERSION }));
  checkVersion(version);
  return { now: at, looks: new Map() };
}

/** Those that are looked at: of the tool that was named, or, as a plan may depend on any breaker, of all tools. */
function providersOf(of: Host, { isReliable, toolName }: RunMessage): string[] {
  if (!isReliable) return [];
  if (toolName === null) return [...new Set([...of.tools.registry.values()].map(providerOf))];
  const tool = of.tools.get(toolName);
  // A pool is asked for a slot, and says then how its provider is.
  return tool && !of.providers.configOf(providerOf(tool)).pool ? [providerOf(tool)] : [];
}

/** Those who read a run's events while it goes on. */
class Followers {
  private readonly waiting = new Map<string, number>();

  constructor(
    private readonly journal: Journal,
    private readonly events: readonly RunEvent[],
  ) {}

  add(who: string, after: number): void {
    this.waiting.set(who, after);
  }

  /** Gives each what it has not heard. */
  tell(isEnded: boolean): void {
    for (const [who, after] of this.waiting) {
      const news = this.events.filter(({ seq }) => seq > after);
      if (news.length === 0 && !isEnded) continue;
      this.waiting.delete(who);
      const followed: Followed = { events: news, isEnded };
      this.journal.signal(who, EVENTS, followed);
    }
  }
}

function cancel(run: Run, reason: ThrownRecord | null): void {
  run.cancel(reason === null ? undefined : reviveThrown(reason));
}

function requestOf(
  { host, journal, engine }: Invocation,
  planner: Planner,
  message: RunMessage,
): StartRequest {
  const { toolName, toolOptions, retry, options, request, isReliable } = message;
  const { idempotencyKey, ...rest } = options as OrchestrationOptions & { idempotencyKey?: string };
  const settings = {
    isReliable,
    planner: isReliable ? journaled(planner, journal) : undefined,
    retryLayers: retry === null ? [] : [retry as RetryOptions],
  };
  const given = parseArguments(
    host,
    {
      request,
      ...(toolName === null ? {} : { toolName }),
      ...(toolOptions === null ? {} : { toolOptions }),
      options: { ...rest, traceId: message.traceId },
    },
    settings,
  );
  const { budget } = given.config;
  const keyBase = idempotencyKey ?? message.runId;
  const { dropped } = message;
  if (!budget || !mayBeSpread(host, given)) return { ...given, keyBase, dropped };
  const shared = new LinkedBudget({ key: message.runId, limits: budget.limits }, journal, host.estimates);
  engine.budgets.add(shared);
  return { ...given, keyBase, dropped, config: { ...given.config, budget: shared }, accounts: [shared] };
}

/** Whether replicates of the run may draw on its budget from other invocations. */
function mayBeSpread(host: Host, { tools }: StartRequest): boolean {
  const named: Iterable<AnyTool> = tools
    ? tools.map(({ tool }) => host.tools.get(tool)!)
    : host.tools.registry.values();
  return [...named].some((tool) => isSupervised(tool));
}

/** @throws {PlanningError} for what a journal cannot keep. */
function jsonPlan(decision: PlanDecision): PlanDecision {
  try {
    return toJson(decision, { maxDepth: 100, maxBytes: MAX_REQUEST_BYTES }).value as PlanDecision;
  } catch (error) {
    throw new PlanningError(
      `What a planner decides must be JSON on Restate: ${describeError(error)}. Give steps their \`input\` as a template.`,
    );
  }
}

interface Decided {
  readonly decision?: PlanDecision;
  readonly thrown?: ThrownRecord;
  readonly at: number;
}

function settledIn<T>(journal: Journal, known: Awaitable<T>): Awaitable<T> {
  return isThenable(known) ? journal.outside(known) : known;
}

/** What a planner decides is kept, as it may ask a model; the rules of a rule-based one are read again. */
function journaled(planner: Planner, journal: Journal): Planner {
  if (planner instanceof RuleBasedPlanner) {
    return {
      plan: (request, tools, context) =>
        planner.plan(
          request,
          tools.map((tool) => ({
            ...tool,
            accepts: (asked: JsonValue) => settledIn(journal, tool.accepts(asked)),
          })),
          context,
        ),
    };
  }
  return {
    plan: (request, tools, context) => {
      const decide = async (): Promise<Decided> => {
        try {
          const decision = jsonPlan(await planner.plan(request, tools, context));
          return { decision, at: Date.now() };
        } catch (error) {
          return { thrown: recordThrown(error), at: Date.now() };
        }
      };
      return journal.answerOf(journal.context.run('plan', decide)).then((kept) => {
        journal.noteTime(kept.at);
        if (kept.thrown) throw reviveThrown(kept.thrown);
        return kept.decision!;
      });
    },
  };
}

function answerOf(
  { runId, caller, fingerprint }: RunMessage,
  events: readonly RunEvent[],
  { output, error }: Settled,
): RunAnswer {
  const live = output ? failureOf(output) : error;
  const cause = live instanceof Error ? live.cause : undefined;
  return {
    runId,
    caller,
    fingerprint,
    events,
    ...(output ? { output } : { error: errorJson(error) }),
    ...(output === undefined && hasOutput(error) ? { output: error.output } : {}),
    ...(cause === undefined ? {} : { cause: recordThrown(cause) }),
  };
}

function hasOutput(error: unknown): error is { output: OrchestrationOutput } {
  return isOrchestratorError(error) && error.output !== undefined;
}

function failureOf(output: OrchestrationOutput): unknown {
  try {
    orThrow(output);
    return undefined;
  } catch (error) {
    return error;
  }
}

function errorJson(error: unknown): ErrorJson {
  const ours = isOrchestratorError(error)
    ? error
    : new OrchestratorError('internal', 'The run could not be started.', { cause: error });
  return ours.toJSON();
}
