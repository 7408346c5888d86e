import { callPlanner } from '../actors/planner-call.js';
import { callStore } from '../actors/store-call.js';
import { describeError, StoreError } from '../core/errors.js';
import { copyJson } from '../core/json.js';
import type { Claim } from '../core/ports.js';
import type { Plan } from '../core/planning/plan.js';
import type { RunStatus } from '../core/output.js';
import { toAttemptFailure, type JudgedFailure } from '../core/retry.js';
import type { AbortCause, AttemptContext, TimerParams } from '../machines/attempt.js';
import { runMachine, type RunContext } from '../machines/run.js';
import { Call } from './call.js';
import { LEASE_MS } from './claims.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';

/** How often a key that another process holds is asked for again, in milliseconds. */
const POLL_MS = 200;

interface EffectArgs {
  readonly context: RunContext;
  readonly event: { readonly type: string };
}

/**
 * The `run` chart with its effects provided: done once per Troupe. Each effect finds the run's side record by the
 * id in the context, and is carried out after the transition that asked for it, in the order asked.
 */
export function provideRun(host: Host) {
  const effect =
    <Params>(carryOut: (x: Execution, args: EffectArgs, params: Params) => void) =>
    (args: EffectArgs, params: Params) => {
      const x = host.executions.get(args.context.runId)!;
      host.enqueue(x, () => carryOut(x, args, params));
    };
  return runMachine.provide({
    actions: {
      claimKey: effect((x) => claimKey(host, x)),
      makePlan: effect((x) => makePlan(host, x)),
      acquire: effect((x, { context }) => {
        x.announceStart(context.candidates.map(({ tool }) => tool));
        host.admission.acquire(x, toolOf(context));
      }),
      leaveQueues: effect((x, { event }) => leaveQueues(host, x, event.type)),
      startCall: effect<{ call: number; hedge: boolean }>((x, { context }, { call, hedge }) =>
        startCall(host, x, context, call, hedge),
      ),
      acquireHedge: effect((x, { context }) => {
        // What a reader has begun to see must not be begun again.
        if ([...x.calls.values()].some((call) => call.isCommitted)) return;
        x.grant = host.admission.tryAcquire(x, toolOf(context));
        if (x.grant) x.send({ type: 'hedge.granted' });
      }),
      abortCalls: effect<{ cause: AbortCause }>((x, _, { cause }) => abortCalls(x, cause)),
      abandonCalls: effect((x) => {
        for (const call of x.calls.values()) call.abandon();
      }),
      startStep: effect<{ step: number }>((x, _, { step }) => {
        x.announceStart(x.steps.map(({ tool }) => tool));
        host.steps.startStep(x, step);
      }),
      startBranches: effect((x) => {
        x.announceStart(x.steps.map(({ tool }) => tool));
        host.steps.startBranches(x);
      }),
      abortSteps: effect<{ cause: AbortCause }>((x, _, { cause }) => host.steps.abort(x, cause)),
      armTimer: effect<TimerParams>((x, _, params) => armTimer(host, x, params)),
      disarmTimer: effect<{ timer: TimerParams['timer'] }>((x, _, { timer }) => disarm(host, x, timer)),
      announceFailure: effect<{ failure: JudgedFailure | null }>((x, { context }, { failure }) => {
        if (!failure) return;
        const toolName = toolOf(context);
        const told = toAttemptFailure(toolName, context.attempt, failure);
        x.emit({ type: 'attempt_failed', toolName, attempt: context.attempt, failure: told });
      }),
      announceRetry: effect<{ delayMs: number; retryAfterMs: number | undefined }>(
        (x, { context }, { delayMs, retryAfterMs }) => {
          const floor = retryAfterMs === undefined ? {} : { retryAfterMs };
          const toolName = toolOf(context);
          x.withdrawUnseen(toolName);
          x.emit({
            type: 'retry_scheduled',
            toolName,
            attempt: context.attempt,
            delayMs: Math.round(delayMs),
            ...floor,
          });
        },
      ),
      announceFallback: effect<{ from: string; to: string; reason: string }>((x, _, { from, to, reason }) => {
        x.withdrawUnseen(from);
        x.lastDelayMs = 0;
        x.emit({ type: 'fallback_started', fromTool: from, toolName: to, reason });
      }),
      finish: effect<{ status: RunStatus | 'rejected' }>((x, { context }, { status }) =>
        host.finish(x, status, context),
      ),
    },
  });
}

function toolOf(context: AttemptContext): string {
  return context.candidates[context.candidate]!.tool;
}

function claimKey(host: Host, x: Execution): void {
  const { key, fingerprint } = x.spec.claim!;
  callStore(
    () => host.store.claim({ key, fingerprint, owner: x.id, leaseMs: LEASE_MS, now: host.now() }),
    (answer) => claimed(host, x, checkClaim(answer)),
    (error) => {
      host.troupeEvents.emit({ type: 'store_failed', operation: 'claim', message: describeError(error) });
      const message = `The store could not claim the idempotency key: ${describeError(error)}. Nothing was run; try again.`;
      reject(x, new StoreError(message, { cause: error }));
    },
  );
}

function claimed(host: Host, x: Execution, claim: Claim): void {
  switch (claim.kind) {
    case 'won':
      if (x.isEnded) return host.claims.giveUp(x);
      host.claims.renewLater(x);
      return x.send({ type: 'claim.won' });
    case 'stored': {
      if (x.isEnded) return;
      x.replay = claim.output;
      const { status } = claim.output as { status: 'completed' | 'partial' };
      return x.send({ type: 'claim.stored', status });
    }
    case 'held':
      return x.send({ type: 'claim.held', until: host.now() + Math.min(POLL_MS, claim.retryAfterMs) });
    case 'conflict':
      return reject(x, host.claims.conflict(x.spec.claim!.key));
  }
}

/** A store may answer with anything; past here it is a claim. */
function checkClaim(answer: unknown): Claim {
  const { kind, output, retryAfterMs } = (answer ?? {}) as Record<string, unknown>;
  const isClaim =
    kind === 'won' ||
    kind === 'conflict' ||
    (kind === 'stored' && isAnswer(output)) ||
    (kind === 'held' && typeof retryAfterMs === 'number' && retryAfterMs >= 0);
  if (!isClaim) throw new TypeError(`it answered a claim with ${JSON.stringify(answer)}`);
  return answer as Claim;
}

/** Whether a store gave back what it was given: the output of a run that answered. */
function isAnswer(output: unknown): boolean {
  const { status, metadata } = (output ?? {}) as { status?: unknown; metadata?: { path?: unknown } };
  return (status === 'completed' || status === 'partial') && Array.isArray(metadata?.path);
}

function reject(x: Execution, error: Execution['rejection'] & object): void {
  x.rejection = error;
  x.send({ type: 'rejected', error: error.toJSON() });
}

function makePlan(host: Host, x: Execution): void {
  const { spec } = x;
  const input = {
    planner: spec.planner!,
    // A copy: a planner may do with it what it likes.
    request: typeof spec.request === 'string' ? { query: spec.request } : copyJson(spec.request),
    tools: host.plannableTools(x),
    context: host.planContext(x),
    isKnown: (name: string) => host.isKnown(x, name),
  };
  x.runInScope(() =>
    callPlanner(
      input,
      (plan) => planned(host, x, plan),
      (error) => reject(x, error),
    ),
  );
}

function planned(host: Host, x: Execution, plan: Plan): void {
  if (x.isEnded) return;
  x.plan = plan;
  if (plan.strategy === 'single')
    return x.send({ type: 'planned', candidates: host.candidatesOf(x, plan.tools) });
  host.steps.prepare(x, plan.steps);
  const steps = plan.steps.map((step) => step.name);
  if (plan.strategy === 'chain') return x.send({ type: 'planned.chain', steps });
  const { policy, quorum } = plan;
  x.send({ type: 'planned.parallel', steps, policy, quorum });
}

function leaveQueues(host: Host, x: Execution, because: string): void {
  x.leaveQueue?.();
  x.leaveQueue = undefined;
  // Unless its call follows at once, a grant is given back: the run was stopped in between.
  if (x.grant && because !== 'attempt.granted') {
    host.admission.giveBack(x.grant);
    x.grant = undefined;
  }
}

function startCall(
  host: Host,
  x: Execution,
  context: AttemptContext,
  number: number,
  isHedge: boolean,
): void {
  const grant = x.grant!;
  x.grant = undefined;
  const toolName = toolOf(context);
  const suffix = context.candidate === 0 ? '' : `:${toolName}`;
  const call = new Call(host, x, grant, {
    number,
    attempt: context.attempt,
    isHedge,
    idempotencyKey: x.spec.keyBase + suffix,
  });
  x.calls.set(number, call);
  call.start();
}

function abortCalls(x: Execution, cause: AbortCause): void {
  for (const call of x.calls.values()) call.abort(cause);
}

function armTimer(host: Host, x: Execution, params: TimerParams): void {
  const { timer } = params;
  const at = 'at' in params ? params.at : host.now() + params.inMs;
  if (at === Infinity) return;
  // No wait, no timer. A limit of 0 still lets what is done at once be done.
  const isWait = timer === 'backoff' || timer === 'hedge' || timer === 'wait';
  if (isWait && at <= host.now()) return fire(host, x, timer);
  const armed = host.timers.set(at, () => {
    x.timers.delete(timer);
    fire(host, x, timer);
  });
  x.timers.set(timer, armed);
}

function fire(host: Host, x: Execution, timer: TimerParams['timer']): void {
  if (timer !== 'attempt') return x.send({ type: `timer.${timer}` });
  const running = [...x.calls.values()].filter((call) => !call.isSettled);
  const [call] = running;
  if (!call) return;
  const committed = running.some((each) => each.isCommitted);
  x.send({ type: 'timer.attempt', failure: host.judging.timedOut(x, call), committed });
}

function disarm(host: Host, x: Execution, timer: TimerParams['timer']): void {
  const armed = x.timers.get(timer);
  if (armed) host.timers.clear(armed);
  x.timers.delete(timer);
}
