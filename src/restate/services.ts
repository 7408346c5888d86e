import * as restate from '@restatedev/restate-sdk';
import type { BudgetOptions } from '../core/budget.js';
import type { Planner } from '../core/planning/planner.js';
import type { Amount } from '../core/usage.js';
import type { RunningInvocations } from './running.js';
import type { Host } from '../runtime/host.js';
import type { JournalContext } from './journal.js';
import { replicateInvocation } from './replicate-invocation.js';
import { runInvocation } from './run-invocation.js';
import { SharedBudget, type KeptBudget, type ReserveMessage, type SettleMessage } from './shared-budget.js';
import {
  SharedProvider,
  type AcquireMessage,
  type KeptProvider,
  type ReportMessage,
} from './shared-provider.js';
import type { ThrownRecord } from './thrown.js';
import {
  BUDGET_OBJECT,
  EVENTS,
  PROVIDER_OBJECT,
  REPLICATE_SERVICE,
  RUN_SERVICE,
  TELL,
  WIRE_VERSION,
  type Followed,
  type Looked,
  type LookMessage,
  type ReplicateMessage,
  type RunMessage,
  type Telling,
} from './wire.js';

/** How long a follower waits for news before it is asked to come again, in milliseconds. */
const FOLLOW_MS = 20_000;

/** How long an instance has to stop what counts as hung, in milliseconds. */
const LEAVING_MS = 10_000;

export interface ServiceSettings {
  readonly planner: Planner;
  /** How often Restate carries on with what an instance did not finish, before it gives up. */
  readonly maxCrashRetries: number;
  /** How long an answer is kept for its key, in milliseconds. */
  readonly retentionMs: number;
  /** How long a call may last without a word before its instance counts as hung, in milliseconds. */
  readonly hungAfterMs: number;
}

/** What a Restate server calls: one invocation a run, one a replicate, and the virtual objects they share. */
export function servicesOf(host: Host, settings: ServiceSettings, running: RunningInvocations) {
  const options = {
    retryPolicy: {
      initialInterval: 100,
      exponentiationFactor: 2,
      maxInterval: 10_000,
      maxAttempts: settings.maxCrashRetries,
      onMaxAttempts: 'kill',
    },
    explicitCancellation: true,
  } as const;
  const working = {
    ...options,
    // Once Restate has asked for a pause, a call that goes on hears of no cancellation and no deadline any more: it must
    // not ask before the call counts as hung.
    inactivityTimeout: settings.hungAfterMs,
    abortTimeout: Math.min(settings.hungAfterMs, LEAVING_MS),
    journalRetention: settings.retentionMs,
  };
  const run = restate.service({
    name: RUN_SERVICE,
    options: { ...working, idempotencyRetention: settings.retentionMs },
    handlers: {
      run: (context: restate.Context, message: RunMessage) => {
        running.begin(context.request().attemptCompletedSignal);
        return runInvocation(host, settings.planner, context as JournalContext, message);
      },
      cancel: async (context: restate.Context, { run, reason, caller }: CancelMessage) => {
        const at = await context.date.now();
        const telling: Telling = { kind: 'cancel', reason, caller, at };
        (context as JournalContext)
          .invocation(run as never)
          .signal(TELL)
          .resolve(telling);
      },
      follow: async (context: restate.Context, { run, after }: FollowMessage): Promise<Followed> => {
        const { signal, invocation } = context as JournalContext;
        const heard = signal.call(context, EVENTS) as restate.RestatePromise<Followed>;
        const telling: Telling = { kind: 'follow', who: context.request().id, after };
        invocation
          .call(context, run as never)
          .signal(TELL)
          .resolve(telling);
        const inTime = heard.orTimeout(FOLLOW_MS);
        return await inTime.map((followed) => followed ?? { events: [], isEnded: false });
      },
    },
  });
  const replicate = restate.service({
    name: REPLICATE_SERVICE,
    options: { ...working, ingressPrivate: true },
    handlers: {
      run: (context: restate.Context, message: ReplicateMessage) => {
        running.begin(context.request().attemptCompletedSignal);
        return replicateInvocation(host, context as JournalContext, message);
      },
    },
  });
  return [run, replicate, providerObject(host, options), budgetObject(options)];
}

export interface CancelMessage {
  readonly run: string;
  readonly reason: ThrownRecord | null;
  /** Who wants to leave; null: whoever began the run, it is cancelled. */
  readonly caller: string | null;
}

export interface FollowMessage {
  readonly run: string;
  /** The number of the last event heard. */
  readonly after: number;
}

const STATE = 'state';

function readable(kept: KeptProvider | null): KeptProvider | null {
  return kept?.wire === WIRE_VERSION ? kept : null;
}

function providerObject(host: Host, options: restate.ObjectOptions) {
  /** Wakes the provider, has it do something, tells what came of it, and puts it away again. */
  const use = async <T>(
    context: restate.ObjectContext,
    now: number,
    work: (provider: SharedProvider) => T,
  ): Promise<T> => {
    const kept = readable(await context.get<KeptProvider>(STATE));
    const config = host.providers.configOf(context.key);
    const provider = new SharedProvider(context.key, config, kept, now, (message, error) =>
      host.internalFault(message, error),
    );
    const answer = work(provider);
    context.set<KeptProvider>(STATE, provider.keep());
    for (const { who, ticket, answer } of provider.granted) {
      const telling: Telling = { kind: 'slot', ticket, answer };
      (context as unknown as JournalContext)
        .invocation(who as never)
        .signal(TELL)
        .resolve(telling);
    }
    // In the process that happens to carry it out: once, unless it crashes right here.
    for (const change of provider.changes) host.troupeEvents.emit({ type: 'breaker_changed', ...change });
    return answer;
  };
  return restate.object({
    name: PROVIDER_OBJECT,
    options: { ...options, ingressPrivate: false },
    handlers: {
      look: restate.handlers.object.shared(
        // The time is no secret of a journal's here: nothing but the answer holds it.
        async (context: restate.ObjectSharedContext, _: LookMessage): Promise<Looked> => ({
          provider: readable(await context.get<KeptProvider>(STATE)) as Looked['provider'],
          now: Date.now(),
        }),
      ),
      acquire: (context: restate.ObjectContext, message: AcquireMessage) =>
        use(context, message.now, (provider) => provider.acquire(message)),
      report: (context: restate.ObjectContext, message: ReportMessage) =>
        use(context, message.now, (provider) => provider.report(message)),
      leave: (context: restate.ObjectContext, { now, ticket }: { now: number; ticket: string }) =>
        use(context, now, (provider) => provider.leave(ticket)),
      reset: (context: restate.ObjectContext) => use(context, 0, (provider) => provider.reset()),
    },
  });
}

function budgetObject(options: restate.ObjectOptions) {
  const use = async <T>(
    context: restate.ObjectContext,
    limits: BudgetOptions,
    work: (budget: SharedBudget) => T,
  ): Promise<T> => {
    const budget = new SharedBudget(limits, (await context.get<KeptBudget>(STATE)) ?? undefined);
    const answer = work(budget);
    context.set<KeptBudget>(STATE, budget.keep());
    return answer;
  };
  return restate.object({
    name: BUDGET_OBJECT,
    options: { ...options, ingressPrivate: true },
    handlers: {
      reserve: (context: restate.ObjectContext, message: ReserveMessage) =>
        use(context, message.limits, (budget) => budget.reserve(message)),
      settle: async (context: restate.ObjectContext, message: SettleMessage) => {
        const woken = await use(context, message.limits, (budget) => {
          budget.settle(message);
          return budget.woken;
        });
        const telling: Telling = { kind: 'freed', at: message.now };
        for (const who of woken) {
          (context as unknown as JournalContext)
            .invocation(who as never)
            .signal(TELL)
            .resolve(telling);
        }
      },
      take: (context: restate.ObjectContext, { now, limits, more }: TakeMessage) =>
        use(context, limits, (budget) => budget.take(more, now)),
      end: async (context: restate.ObjectContext) => context.clearAll(),
    },
  });
}

interface TakeMessage {
  readonly now: number;
  readonly limits: BudgetOptions;
  readonly more: Amount;
}
