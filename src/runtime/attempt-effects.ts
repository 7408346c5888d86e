import { toAttemptFailure, type JudgedFailure } from '../core/retry.js';
import {
  currentCandidate,
  type AbortCause,
  type AttemptContext,
  type TimerParams,
} from '../machines/attempt.js';
import type { AttemptRecord, AttemptSignal, TimerName } from './attempt-record.js';
import { Call } from './call.js';
import { effectsOf } from './effects.js';
import type { Host } from './host.js';

/** The effects of the attempt's states, for every chart they are a part of. */
export function attemptEffectsOf<Context extends AttemptContext>(idOf: (context: Context) => string) {
  const effect = effectsOf<AttemptRecord, Context>(idOf);
  return {
    acquire: effect((x, { context }) => x.host.admission.acquire(x, toolOf(context))),
    leaveQueues: effect((x, { event }) => leaveQueues(x.host, x, event.type)),
    startCall: effect<{ call: number; hedge: boolean }>((x, { context }, { call, hedge }) =>
      startCall(x.host, x, context, call, hedge),
    ),
    acquireHedge: effect((x, { context }) => {
      // What a reader has begun to see must not be begun again.
      if (!x.calls.some((call) => call.isCommitted)) x.host.admission.acquireHedge(x, toolOf(context));
    }),
    abortCalls: effect<{ cause: AbortCause }>((x, _, { cause }) => {
      for (const call of x.calls) call.abort(cause);
    }),
    abandonCalls: effect((x) => {
      for (const call of x.calls) call.abandon();
    }),
    armTimer: effect<TimerParams>((x, _, params) => armTimer(x.host, x, params)),
    disarmTimer: effect<{ timer: TimerName }>((x, _, { timer }) => disarm(x.host, x, timer)),
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
  };
}

export function toolOf(context: AttemptContext): string {
  return currentCandidate(context).tool;
}

function leaveQueues(host: Host, x: AttemptRecord, because: string): void {
  x.leaveQueue?.();
  x.leaveQueue = undefined;
  // Unless its call follows at once, a grant is given back: it was stopped in between.
  if (x.grant && because !== 'attempt.granted') {
    host.admission.giveBack(x.grant);
    x.grant = undefined;
  }
}

function startCall(
  host: Host,
  x: AttemptRecord,
  context: AttemptContext,
  number: number,
  isHedge: boolean,
): void {
  const grant = x.grant!;
  x.grant = undefined;
  const call = new Call(host, x, grant, {
    number,
    attempt: context.attempt,
    isHedge,
    idempotencyKey: x.callKey(context.candidate, toolOf(context)),
  });
  x.calls = [...x.calls, call];
  call.start();
}

function armTimer(host: Host, x: AttemptRecord, params: TimerParams): void {
  const { timer } = params;
  const at = 'at' in params ? params.at : host.now() + params.inMs;
  if (at === Infinity) return;
  // No wait, no timer. A limit of 0 still lets what is done at once be done.
  const isWait = timer === 'backoff' || timer === 'hedge' || timer === 'wait';
  if (isWait && at <= host.now()) return fire(host, x, timer);
  disarm(host, x, timer);
  const armed = host.timers.set(at, () => {
    x.timers?.delete(timer);
    fire(host, x, timer);
  });
  (x.timers ??= new Map()).set(timer, armed);
}

function fire(host: Host, x: AttemptRecord, timer: TimerName): void {
  if (timer === 'overrun') {
    const committed = x.calls.some((call) => call.isCommitted);
    return x.send({ type: 'timer.overrun', committed });
  }
  if (timer !== 'attempt') return x.send({ type: `timer.${timer}` } as AttemptSignal);
  const running = x.calls.filter((call) => !call.isSettled);
  // It may have answered, and its answer be checked still.
  const call = running[0] ?? x.answer?.call;
  if (!call) return;
  const committed = running.some((each) => each.isCommitted) || call.isCommitted;
  x.send({ type: 'timer.attempt', failure: host.judging.timedOut(x, call), committed });
}

function disarm(host: Host, x: AttemptRecord, timer: TimerName): void {
  const armed = x.timers?.get(timer);
  if (armed === undefined) return;
  host.timers.clear(armed);
  x.timers!.delete(timer);
}
