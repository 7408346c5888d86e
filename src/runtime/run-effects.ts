import { callPlanner } from '../actors/planner-call.js';
import { describeError, StoreError } from '../core/errors.js';
import { copyJson } from '../core/json.js';
import type { Claim } from '../core/ports.js';
import type { Plan } from '../core/planning/plan.js';
import type { RunStatus } from '../core/output.js';
import type { AbortCause } from '../machines/attempt.js';
import type { RunContext } from '../machines/run-context.js';
import { runMachine } from '../machines/run.js';
import { attemptEffectsOf, toolOf } from './attempt-effects.js';
import { startBundle } from './bundle-start.js';
import { effectsOf } from './effects.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';

/** How often a key that another process holds is asked for again, in milliseconds. */
const POLL_MS = 200;

/** The `run` chart with its effects provided: once for all Troupes. */
export function provideRun() {
  const idOf = (context: RunContext) => context.runId;
  const effect = effectsOf<Execution, RunContext>(idOf);
  return runMachine.provide({
    actions: {
      ...attemptEffectsOf(idOf),
      claimKey: effect((x) => claimKey(x.host, x)),
      makePlan: effect((x) => makePlan(x.host, x)),
      acquire: effect((x, { context }) => {
        x.announceStart(context.candidates.map(({ tool }) => tool));
        x.host.admission.acquire(x, toolOf(context));
      }),
      startStep: effect<{ step: number }>((x, _, { step }) => {
        x.announceStart(x.steps.map(({ tool }) => tool));
        x.host.steps.startStep(x, step);
      }),
      startBranches: effect((x) => {
        x.announceStart(x.steps.map(({ tool }) => tool));
        x.host.steps.startBranches(x);
      }),
      abortSteps: effect<{ cause: AbortCause }>((x, _, { cause }) => x.host.steps.abort(x, cause)),
      startBundle: effect((x, { context }) => {
        x.announceStart(context.candidates.map(({ tool }) => tool));
        startBundle(x.host, x, context);
      }),
      abortBundle: effect<{ cause: AbortCause }>((x, _, { cause }) => x.bundle?.stop(cause)),
      hurryBundle: effect((x) => x.bundle?.hurry()),
      announceFallback: effect<{ from: string; to: string; reason: string }>((x, _, { from, to, reason }) => {
        x.withdrawUnseen(from);
        x.lastDelayMs = 0;
        x.traced?.end('failed', reason);
        x.emit({ type: 'fallback_started', fromTool: from, toolName: to, reason });
      }),
      finish: effect<{ status: RunStatus | 'rejected' }>((x, { context }, { status }) =>
        x.host.finish(x, status, context),
      ),
    },
  });
}

function claimKey(host: Host, x: Execution): void {
  const { key, fingerprint } = x.spec.claim!;
  const now = host.now();
  host.stored.call({
    operation: 'claim',
    call: () => host.store.claim({ key, fingerprint, owner: x.id, leaseMs: host.stored.leaseMs, now }),
    answered: (answer) => claimed(host, x, checkClaim(answer), now),
    failed: (error) => unclaimed(host, x, error),
    // A run that still wants its key has asked for it again, as the same owner.
    late: () => {
      if (x.isEnded || x.isUnclaimed) host.claims.giveUp(x);
    },
  });
}

function claimed(host: Host, x: Execution, claim: Claim, askedAt: number): void {
  switch (claim.kind) {
    case 'won':
      if (x.isEnded) return host.claims.giveUp(x);
      host.claims.won(x, askedAt);
      return x.send({ type: 'claim.won' });
    case 'stored': {
      if (x.isEnded) return;
      // A copy: what cannot be copied is no answer of ours.
      x.replay = structuredClone(claim.output);
      const { status } = claim.output as { status: 'completed' | 'partial' };
      return x.send({ type: 'claim.stored', status });
    }
    case 'held':
      x.heldUntil = host.now() + claim.retryAfterMs;
      return x.send({ type: 'claim.held', until: host.now() + Math.min(POLL_MS, claim.retryAfterMs) });
    case 'conflict':
      return reject(x, host.claims.conflict(x.spec.claim!.key));
  }
}

/** The store failed at the claim, and may have carried it out all the same. */
function unclaimed(host: Host, x: Execution, error: unknown): void {
  // It was heard of another process that runs it: that one's lease must end first.
  if (!x.isEnded && host.stored.policy === 'run' && x.heldUntil > host.now()) {
    return x.send({ type: 'claim.held', until: Math.min(x.heldUntil, host.now() + POLL_MS) });
  }
  host.claims.giveUp(x);
  if (x.isEnded) return;
  x.isUnclaimed = true;
  const why = `The store could not claim the idempotency key: ${describeError(error)}.`;
  if (host.stored.policy === 'fail') {
    return reject(x, new StoreError(`${why} Nothing was run; try again.`, { cause: error }));
  }
  x.warn('not_stored', `${why} It was run all the same (\`onStoreError\`); its answer was not stored.`);
  x.send({ type: 'claim.won' });
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
    tools: host.tools.plannable(x),
    context: host.tools.planContext(x),
    isKnown: (name: string) => host.tools.knows(x, name),
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
    return x.send({ type: 'planned', candidates: host.tools.candidatesOf(x, plan.tools) });
  host.steps.prepare(x, plan.steps);
  const steps = plan.steps.map((step) => step.name);
  if (plan.strategy === 'chain') return x.send({ type: 'planned.chain', steps });
  const { policy, quorum } = plan;
  x.send({ type: 'planned.parallel', steps, policy, quorum });
}
