import { AsyncResource } from 'node:async_hooks';
import { TerminalError } from '@restatedev/restate-sdk';
import { schemaAt, type AnyBundleTool } from '../core/bundle-tool.js';
import { parseRunOptions, type OrchestrationOptions } from '../core/config.js';
import type { Shortage } from '../core/budget.js';
import type { ReplicateStatus } from '../core/evidence/replicate.js';
import type { RunEventBody } from '../core/events.js';
import type { OrchestratorError } from '../core/errors.js';
import type { RunChartEvent } from '../machines/index.js';
import type { Call } from '../runtime/call.js';
import { Execution, type ExecutionSpec } from '../runtime/execution.js';
import type { Host } from '../runtime/host.js';
import type { Participant } from '../runtime/participant.js';
import { ReplicateRun } from '../runtime/replicate.js';
import type { Supervisor } from '../runtime/replica.js';
import { fittingReplicate } from './fitting.js';
import { Invocation } from './invocation.js';
import type { JournalContext } from './journal.js';
import { LinkedBudget } from './linked-budget.js';
import type { LinkedProviders } from './linked-providers.js';
import { recordThrown } from './thrown.js';
import { checkWire } from './version.js';
import type { ReplicateAnswer, ReplicateMessage } from './wire.js';

/** One replicate of a bundle whose supervisor is in another invocation. */
export async function replicateInvocation(
  of: Host,
  context: JournalContext,
  message: ReplicateMessage,
): Promise<ReplicateAnswer> {
  checkWire(message.wire);
  const invocation = new Invocation(of, context, message.now, message.runId);
  const { host, journal } = invocation;
  const { candidate, looked } = message;
  if (looked) (host.providers as LinkedProviders).link(candidate.provider).learn(looked);
  const owner = ownerOf(invocation, message);
  let status: ReplicateStatus | undefined;
  const replica: ReplicateRun = new ReplicateRun(
    host,
    supervisorOf(host, owner, message, (ended) => {
      status ??= ended;
      invocation.engine.admission.leave();
      replica.isEnded = true;
      replica.release(ended, ended);
    }),
    message.index,
    message.seed,
  );
  owner.replica = replica;
  invocation.onTelling((telling) => {
    if (telling.kind !== 'stop') return;
    owner.stopCause = telling.cause;
    replica.stop(telling.cause);
  });
  journal.onCancelled(() => replica.stop('cancelled'));
  replica.queue();
  await invocation.work(() => status !== undefined);
  return fittingReplicate({
    status: status!,
    report: replica.report(status!),
    answerBytes: replica.answerBytes,
    failures: replica.failures,
    retryAfterMs: replica.retryAfterMs,
    hasShown: replica.hasShown,
    lastError: replica.lastError === undefined ? null : recordThrown(replica.lastError),
    usage: replica.usage,
    calls: replica.attempts,
    warnings: owner.warnings,
    events: owner.events,
    limit: owner.limit,
    at: journal.now(),
  });
}

/** What stands for the run in a replicate's invocation: it hears what its replicate says, and has no chart of its own. */
class DistantOwner extends Execution {
  readonly events: RunEventBody[] = [];
  limit: ReplicateAnswer['limit'] = null;
  stopCause: Supervisor['stopCause'];
  replica: ReplicateRun | undefined;

  constructor(
    host: Host,
    spec: ExecutionSpec,
    private readonly step: number | null,
    private readonly deadlineAt: number | null,
    private readonly runId: string,
  ) {
    super(host, spec);
    const hears = { emit: (body: RunEventBody) => this.events.push(body), log: { withdraw: () => {} } };
    this.participants.add(hears as unknown as Participant);
  }

  override get id(): string {
    return this.runId;
  }

  override get place(): { readonly step: number } | undefined {
    return this.step === null ? undefined : { step: this.step };
  }

  override get context(): Execution['context'] {
    return { end: null, deadlineAt: this.deadlineAt } as Execution['context'];
  }

  override get isEnding(): boolean {
    return this.stopCause !== undefined;
  }

  override send(_event: RunChartEvent): void {}

  override crashed(error: unknown): void {
    this.replica?.crashed(error);
  }

  override outOfBudget({ budget: _, ...short }: Shortage): void {
    this.limit ??= { kind: 'budget', short };
  }

  override limitedBy(error: OrchestratorError): void {
    this.limit ??= { kind: 'nested', error: error.toJSON() };
  }

  override deadlinePassed(call?: Call): void {
    call?.abort('timed_out');
    this.limit ??= { kind: 'time' };
  }
}

function ownerOf({ host, journal, engine }: Invocation, message: ReplicateMessage): DistantOwner {
  const { budget, candidate, plannedOptions } = message;
  const shared = budget ? new LinkedBudget(budget, journal, host.estimates) : undefined;
  if (shared) engine.budgets.add(shared);
  const spec: ExecutionSpec = {
    id: message.ownerId,
    traceId: message.traceId,
    request: message.request,
    toolOptions: message.toolOptions ?? undefined,
    tools: null,
    inlineTool: undefined,
    config: parseRunOptions(message.options as OrchestrationOptions),
    isReliable: message.isReliable,
    ownsRetries: message.ownsRetries,
    retryLayers: message.retryLayers,
    planner: undefined,
    accounts: shared ? [shared] : [],
    outer: undefined,
    keyBase: message.keyBase,
    claim: undefined,
    scope: new AsyncResource('TroupeReplicate'),
    hidesContent: false,
    trace: undefined,
    parent: undefined,
  };
  const owner = new DistantOwner(host, spec, message.step, message.deadlineAt, message.runId);
  if (plannedOptions) owner.plannedOptions = new Map([[candidate.tool, plannedOptions]]);
  return owner;
}

function supervisorOf(
  host: Host,
  owner: DistantOwner,
  { candidate, bundle, keyBase, ownerId }: ReplicateMessage,
  ended: (status: ReplicateStatus) => void,
): Supervisor {
  const tool = host.tools.get(candidate.tool) as AnyBundleTool | undefined;
  if (!tool) {
    const why = `There is no tool "${candidate.tool}" on this instance: every instance must register the same tools.`;
    throw new TerminalError(why, { errorCode: 404 });
  }
  return {
    id: `${ownerId}#bundle`,
    keyBase,
    owner,
    tool,
    config: bundle,
    schema: schemaAt(tool, bundle.schemaUri),
    candidate,
    get stopCause() {
      return owner.stopCause;
    },
    set stopCause(cause) {
      owner.stopCause = cause;
    },
    // It had its turn before it was sent here, and its run has said so.
    awaitTurn: (replica) => replica.begin(),
    announceReplicate: () => {},
    ended: (_, status) => ended(status),
  };
}
