import {
  CancelledError,
  ConflictError,
  describeError,
  isOrchestratorError,
  OrchestratorError,
  StoreError,
} from '../core/errors.js';
import type { RunEvent, RunEventBody } from '../core/events.js';
import { rememberError, reviveError, type OrchestrationOutput } from '../core/output.js';
import { NO_USAGE } from '../core/usage.js';
import type { Asked, RunArguments } from '../runtime/arguments.js';
import { fingerprintOf } from '../runtime/claims.js';
import { emptyOutcome, replayedOutcome, terminalEvent } from '../runtime/outcome.js';
import type { Participant } from '../runtime/participant.js';
import { StartedRun, type RunSnapshot } from '../runtime/run-handle.js';
import { onAbort } from '../runtime/signals.js';
import { ClientEvents } from './client-events.js';
import { keyOf } from './client-key.js';
import { participantOf, ToldTime, type Ids, type RestateRun } from './client-participant.js';
import { InvocationLost, type Ingress } from './ingress.js';
import type { CancelMessage } from './services.js';
import { recordThrown, reviveThrown } from './thrown.js';
import { RUN_SERVICE, WIRE_VERSION, type RunAnswer, type RunMessage } from './wire.js';

/** What a run is asked to do, as far as it travels. */
export type Asking = Pick<RunMessage, 'isReliable' | 'retry' | 'toolName' | 'options'>;

/** Runs of one key that were killed, one after the other, before a caller is told. */
const MOST_LOST = 100;

/** How long Restate may take to hear of a cancellation, in milliseconds. */
const HEARING_MS = 5000;

/** One caller of a run that goes on elsewhere: its stream, its promise, and the way to leave. */
export class ClientRun {
  private readonly participant: Participant;
  private readonly time = new ToldTime();
  private readonly asking: Asking;
  private invocation: string | undefined;
  private whenHandedIn: ((invocation: string) => void)[] = [];
  /** It is being handed in, or was. */
  private isBegun = false;
  private isLearning = false;
  /** Another caller began it. */
  private isJoined = false;
  private isFollowed = false;
  private grace: NodeJS.Timeout | undefined;
  private readonly events: ClientEvents;
  private lastTool: string | null = null;
  private attempts = 0;

  constructor(
    private readonly ingress: Ingress,
    private readonly ids: Ids,
    args: RunArguments,
    private readonly asked: Asked,
    asking: Asking,
  ) {
    this.asking = asking;
    this.events = new ClientEvents(ingress, (event) => this.take(event));
    this.participant = participantOf(ids, asked.config, this.time, args);
    if (args.events) this.isFollowed = true;
    if (args.signal) this.participant.stopListening = onAbort(args.signal, (reason) => this.cancel(reason));
  }

  get output(): Promise<OrchestrationOutput> {
    return this.participant.output;
  }

  /** Hands the run in. */
  begin(): this {
    this.work().catch((error) => this.failed(error));
    return this;
  }

  get handle(): RestateRun {
    const run = new StartedRun(
      this.participant,
      (reason) => this.cancel(reason),
      () => this.snapshot(),
    );
    const { events } = run;
    const follow = () => this.follow();
    const followed = {
      [Symbol.asyncIterator]: () => {
        follow();
        return events[Symbol.asyncIterator]();
      },
    };
    return Object.defineProperties(run, {
      invocation: { enumerable: true, get: () => this.invocationKnown() },
      events: { enumerable: true, value: followed },
    }) as unknown as RestateRun;
  }

  private async work(): Promise<void> {
    // The caller has the run in hand before anything happens to it.
    await Promise.resolve();
    const { idempotencyKey } = this.asked.config;
    if (this.participant.leaving) return this.leave();
    this.isBegun = true;
    if (idempotencyKey !== undefined) return this.workUnder(idempotencyKey);
    const asked = this.ingress.call<RunAnswer>(RUN_SERVICE, 'run', this.message(), { key: this.ids.runId });
    if (this.isFollowed || this.whenHandedIn.length > 0) this.learnInvocation().catch(() => {});
    const { value, invocationId } = await asked;
    if (invocationId !== undefined) this.isKnownAs(invocationId);
    this.conclude(this.checked(value));
  }

  /** Under a key of the caller's the run may have been made before, or be under way. */
  private async workUnder(idempotencyKey: string): Promise<void> {
    const { ingress, ids } = this;
    for (let generation = 0; !this.participant.isEnded; generation++) {
      const key = keyOf(idempotencyKey, generation);
      const { invocationId, status } = await ingress.send(RUN_SERVICE, 'run', this.message(), key);
      const earlier = status === 'PreviouslyAccepted' ? await this.earlier(invocationId) : undefined;
      // It was killed, or given up: that is no answer to keep.
      if (earlier === 'lost') {
        if (generation < MOST_LOST) continue;
        throw new InvocationLost(`all ${MOST_LOST} runs of the key "${idempotencyKey}" were killed`);
      }
      if (earlier && earlier.caller !== ids.caller) {
        this.checkSame(earlier, idempotencyKey);
        // An answer is kept under its key, a failure is not: the run is made again, under the key's next name.
        if (!isAnswer(earlier)) continue;
        this.isKnownAs(invocationId);
        return this.replay(earlier.output!);
      }
      // Or it is this caller's own, whose first asking had no answer: what is told of it says so.
      this.isJoined = status === 'PreviouslyAccepted';
      this.handedIn(invocationId);
      const answer = this.checked(await ingress.attach<RunAnswer>(invocationId));
      this.isJoined = answer.caller !== ids.caller;
      if (this.isJoined) this.checkSame(answer, idempotencyKey);
      return this.conclude(answer);
    }
  }

  private async earlier(invocation: string): Promise<RunAnswer | 'lost' | undefined> {
    try {
      const answer = await this.ingress.output<RunAnswer>(invocation);
      return answer && this.checked(answer);
    } catch (error) {
      if (error instanceof InvocationLost) return 'lost';
      throw error;
    }
  }

  /** Which invocation it is, once somebody needs to know. */
  private async learnInvocation(): Promise<void> {
    if (
      !this.isBegun ||
      this.participant.isEnded ||
      this.isLearning ||
      this.invocation !== undefined ||
      this.asked.config.idempotencyKey !== undefined
    )
      return;
    this.isLearning = true;
    const { invocationId } = await this.ingress.send(RUN_SERVICE, 'run', this.message(), this.ids.runId);
    this.handedIn(invocationId);
  }

  private message(): RunMessage {
    const { asked, asking, ids, participant } = this;
    const { request, toolOptions, dropped } = asked;
    const { idempotencyKey } = asked.config;
    return {
      wire: WIRE_VERSION,
      ...ids,
      traceId: participant.traceId,
      ...asking,
      options: { ...asking.options, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
      request,
      toolOptions: toolOptions ?? null,
      dropped,
      fingerprint: fingerprintOf({
        tool: asking.toolName,
        version: null,
        request,
        toolOptions: toolOptions ?? null,
      }),
    };
  }

  private checkSame({ fingerprint }: RunAnswer, key: string): void {
    if (fingerprint === this.message().fingerprint) return;
    throw new ConflictError(
      `The idempotency key "${key}" was used for a different request. Use a new key, or repeat the same request.`,
      key,
    );
  }

  private isKnownAs(invocation: string): void {
    this.invocation = invocation;
    for (const fn of this.whenHandedIn.splice(0)) fn(invocation);
  }

  private handedIn(invocation: string): void {
    this.isKnownAs(invocation);
    const { leaving } = this.participant;
    if (leaving) this.tellCancel(invocation, leaving.reason);
    if (this.isFollowed) void this.events.follow(invocation);
  }

  private invocationKnown(): Promise<string> {
    const known = new Promise<string>((resolve, reject) => {
      if (this.invocation !== undefined) return resolve(this.invocation);
      this.whenHandedIn.push(resolve);
      this.learnInvocation().catch(reject);
      const why =
        'Restate did not say which invocation it was: something between hides the header `x-restate-id`.';
      this.output.then(() => reject(new StoreError(why)), reject);
    });
    // Who does not wait for it must not hear that there is none.
    known.catch(() => {});
    return known;
  }

  /** From now on events are wanted as they come. */
  private follow(): void {
    if (this.isFollowed || this.participant.isEnded) return;
    this.isFollowed = true;
    if (this.invocation !== undefined) void this.events.follow(this.invocation);
    else this.learnInvocation().catch(() => {});
  }

  private take(event: RunEvent): void {
    if (this.participant.isEnded) return;
    if (event.type === 'tool_started') {
      this.lastTool = event.toolName;
      this.attempts += 1;
    }
    this.time.at = event.at;
    const { runId: _, traceId: _trace, seq: _seq, at: _at, ...body } = event;
    this.participant.emit(this.asJoined(body as RunEventBody));
  }

  private asJoined(body: RunEventBody): RunEventBody {
    if (!this.isJoined || body.type !== 'run_started') return body;
    return { type: 'run_started', toolName: null, strategy: null, plan: [], coalesced: true };
  }

  private checked(answer: RunAnswer | null | undefined): RunAnswer {
    if (Array.isArray(answer?.events) && typeof answer.runId === 'string') return answer;
    throw this.ingress.notRestate(JSON.stringify(answer));
  }

  /** The run has ended, for all its callers. */
  private conclude({ events, output, error, cause }: RunAnswer): void {
    this.events.take(events);
    const { participant, isJoined } = this;
    const told = output && isJoined ? this.ownOutput(output) : output;
    const live = error ?? told?.error;
    if (live === undefined) return this.end({ output: told! });
    const revived = reviveError(live);
    const { leaving } = participant;
    if (leaving && revived instanceof CancelledError) revived.cause = leaving.reason;
    else if (cause) revived.cause = reviveThrown(cause);
    if (told) {
      revived.output = told;
      rememberError(told, revived);
    }
    this.end(error ? { error: revived } : { output: told! });
  }

  private ownOutput(output: OrchestrationOutput): OrchestrationOutput {
    const { participant } = this;
    const { requestId, traceId, elapsedMs } = participant;
    return { ...output, traceId, elapsedMs, metadata: { ...output.metadata, requestId, coalesced: true } };
  }

  private replay(stored: OrchestrationOutput): void {
    const { participant } = this;
    this.time.at = Date.now();
    const { toolName, strategy, path } = stored.metadata;
    participant.emit({ type: 'run_started', toolName, strategy, plan: [...path], replayed: true });
    const outcome = replayedOutcome(participant, structuredClone(stored) as never);
    participant.emit(terminalEvent(outcome));
    this.end({ output: outcome.output });
  }

  /** Who began a run cancels it; who joined it leaves it. */
  private cancel(reason?: unknown): void {
    const { participant } = this;
    if (participant.isEnded || participant.leaving) return;
    participant.leaving = { kind: 'cancelled', reason };
    if (!this.isBegun) return;
    if (this.invocation !== undefined) return this.tellCancel(this.invocation, reason);
    this.learnInvocation().catch(() => {});
    // Where Restate cannot be reached, nobody waits for it. Should it have taken the run, it is cancelled once that is known.
    const giveUp = () => {
      if (this.invocation === undefined) this.leave();
    };
    this.grace = setTimeout(giveUp, this.asked.config.abortGraceMs);
  }

  /** Once Restate has heard it the output comes; but nobody waits for a Restate that does not answer. */
  private tellCancel(run: string, reason: unknown): void {
    const record = reason === undefined ? null : recordThrown(reason);
    const message: CancelMessage = { run, reason: record, caller: this.ids.caller };
    clearTimeout(this.grace);
    this.grace = setTimeout(() => this.leave(), this.asked.config.abortGraceMs + HEARING_MS);
    // Where it cannot be reached to be cancelled, it ends by its own limits.
    this.ingress
      .call(RUN_SERVICE, 'cancel', message)
      .then(() => (this.isJoined ? this.leave() : clearTimeout(this.grace)))
      .catch((error: unknown) => this.failed(error));
  }

  private failed(error: unknown): void {
    // A caller who has left need not hear that Restate cannot be reached.
    if (this.participant.leaving && error instanceof StoreError) this.leave();
    else this.end({ error: known(error) });
  }

  /** It goes on without this caller, or was never handed in. */
  private leave(): void {
    if (this.participant.isEnded) return;
    const outcome = emptyOutcome(this.participant, this.asking.toolName);
    this.end({ error: outcome.error! }, terminalEvent(outcome));
  }

  private end(settle: { output: OrchestrationOutput } | { error: unknown }, terminal?: RunEventBody): void {
    this.events.end();
    clearTimeout(this.grace);
    if (!this.participant.isEnded) this.participant.end(terminal, settle);
  }

  private snapshot(): RunSnapshot {
    // The next one knows, if this one does not.
    this.learnInvocation().catch(() => {});
    const { runId, traceId, elapsedMs, isEnded } = this.participant;
    const state = isEnded ? 'ended' : this.invocation === undefined ? 'handing in' : 'on Restate';
    const usage = NO_USAGE;
    return {
      runId,
      traceId,
      state,
      tool: this.lastTool,
      attempts: this.attempts,
      usage,
      elapsedMs,
      wakeAt: null,
    };
  }
}

function isAnswer({ output, error }: RunAnswer): boolean {
  return error === undefined && (output?.status === 'completed' || output?.status === 'partial');
}

function known(error: unknown): OrchestratorError {
  if (isOrchestratorError(error)) return error;
  const why = describeError(error).replace(/\.$/u, '');
  return new OrchestratorError(
    'internal',
    `The run was lost on Restate: ${why}. Look at its invocation there; run it again if it may be repeated.`,
    { cause: error },
  );
}
