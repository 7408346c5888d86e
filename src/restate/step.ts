import type { MakeCall, ToolCallOutcome } from '../actors/tool-call.js';
import type { Failure } from '../core/classify.js';
import type { Clock, Logger } from '../core/ports.js';
import type { NestedRun, ToolContext, ToolEmission } from '../core/tool.js';
import { readUsage, type KnownUsage, type ReadUsage, type ReportedUsage, type Usage } from '../core/usage.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Call } from '../runtime/call.js';
import { chargeRead, pass, readEmission, type ReadEmission } from '../runtime/call-context.js';
import { systemClock } from '../runtime/clock.js';
import { NestedRuns } from '../runtime/nested-runs.js';
import { fittingStep } from './fitting.js';
import { JOURNAL_VERSION } from './wire.js';
import { recordThrown, reviveThrown, shortened, type ThrownRecord } from './thrown.js';

/** What a tool said and did during its call, in order. */
type Note =
  | { readonly kind: 'event'; readonly event: ReadEmission }
  | { readonly kind: 'warning'; readonly code: string; readonly message: string }
  | { readonly kind: 'charge'; readonly usage: ReadUsage }
  /** A nested run has ended, and used so much. */
  | { readonly kind: 'nested'; readonly usage: Usage };

/** One call of a tool, as the journal keeps it. */
export interface StepRecord {
  /** Of the charts it was made for. */
  readonly version: number;
  readonly outcome: Exclude<ToolCallOutcome, { kind: 'threw' }> | ThrownOutcome;
  readonly notes: readonly Note[];
  /** How much of it there is, as JSON. */
  readonly bytes: number;
  /** When it ended, in epoch milliseconds. */
  readonly at: number;
}

interface ThrownOutcome {
  readonly kind: 'threw';
  readonly thrown: ThrownRecord;
  readonly usage: { readonly usage: KnownUsage | undefined; readonly ignored: readonly string[] };
  readonly failure: Failure;
  /** A limit of a nested run, which the tool let through. */
  readonly isNestedLimit: boolean;
}

/** Starts a nested run in this process, for a call that is a step. */
export type StartNested = (
  call: Call,
  nested: NestedRun,
  given: {
    readonly signal: AbortSignal;
    readonly key: string;
    readonly left: { tokens: number; costUsd: number };
  },
) => Promise<OrchestrationOutput>;

/** Of what a tool sends during one call, as a journal keeps it. */
const MAX_NOTE_BYTES = 4 * 1024 * 1024;

const nextTurn = globalThis.setImmediate;

/**
 * Makes a call in this process, and records all that came of it.
 *
 * @param kept bytes of the records before.
 */
export async function makeStep(
  call: Call,
  make: MakeCall,
  attemptEnded: AbortSignal,
  startNested: StartNested,
  kept: number,
): Promise<StepRecord> {
  // In a journal that is read again, what stopped the call comes right after it: then it is not made again.
  await new Promise<void>((resolve) => nextTurn(resolve));
  if (call.aborted)
    return { version: JOURNAL_VERSION, outcome: { kind: 'unwanted' }, notes: [], bytes: 0, at: Date.now() };
  const context = new StepContext(call, attemptEnded, startNested);
  const outcome = await make(context);
  await context.close();
  const at = Date.now();
  const record = {
    version: JOURNAL_VERSION,
    outcome: context.recordOf(outcome),
    notes: context.notes,
    at,
  };
  return fittingStep(record, kept);
}

/** Lets a run have what its call did: the same whether it was made just now, or read from the journal. */
export function applyStep(call: Call, { outcome, notes }: StepRecord): ToolCallOutcome {
  for (const note of notes) applyNote(call, note, outcome.kind === 'answered');
  if (outcome.kind !== 'threw') return withUsage(outcome);
  const error = reviveThrown(outcome.thrown);
  if (outcome.isNestedLimit) nestedOf(call).errors.add(error);
  const { usage, ignored } = outcome.usage;
  return { kind: 'threw', error, usage: { usage, ignored: [...ignored] }, failure: outcome.failure };
}

/** JSON has no undefined. */
function withUsage(outcome: Exclude<StepRecord['outcome'], ThrownOutcome>): ToolCallOutcome {
  return outcome.kind === 'answered' ? { ...outcome, metadata: outcome.metadata } : outcome;
}

function applyNote(call: Call, note: Note, isAnswered: boolean): void {
  switch (note.kind) {
    case 'event': {
      // Nobody has seen a failed call's pieces of an answer, and nobody shall.
      if (isAnswered || !isDelta(note.event)) pass(call, note.event);
      return;
    }
    case 'warning':
      return call.x.warn(note.code, note.message);
    case 'charge':
      return chargeRead(call, note.usage);
    case 'nested': {
      nestedOf(call);
      const used = { tokens: note.usage.totalTokens, costUsd: note.usage.costUsd };
      call.grant.allowance.take(used, call.host.now());
      call.grant.allowance.settle(used, used);
      return call.x.addUsage(note.usage);
    }
  }
}

function isDelta(read: ReadEmission): boolean {
  return 'type' in read && read.type === 'delta';
}

function nestedOf(call: Call): NestedRuns {
  return (call.nested ??= new NestedRuns());
}

/** What a tool gets with a call that is a step: all it does is noted, and takes effect when the call has ended. */
class StepContext implements ToolContext {
  readonly signal: AbortSignal;
  readonly deadline: number | undefined;
  readonly attempt: number;
  readonly runId: string;
  readonly traceId: string;
  readonly idempotencyKey: string;
  readonly streaming: boolean;
  readonly logger: Logger;
  readonly clock: Clock = systemClock;
  readonly emit: ToolContext['emit'];
  readonly budget: ToolContext['budget'];
  readonly run: ToolContext['run'];
  readonly #call: Call;
  readonly #notes: Note[] = [];
  readonly #overspent = new AbortController();
  readonly #nestedErrors = new Set<unknown>();
  readonly #nested = new Set<Promise<unknown>>();
  readonly #left: { tokens: number; costUsd: number };
  #noteBytes = 0;
  #isClosed = false;

  constructor(call: Call, attemptEnded: AbortSignal, startNested: StartNested) {
    const { x, host, options } = call;
    this.#call = call;
    const { deadlineAt } = x.context;
    const isLimited = x.spec.accounts.length > 0;
    const room = call.grant.allowance.room(host.now());
    this.#left = isLimited ? { ...room } : { tokens: Infinity, costUsd: Infinity };
    this.signal = AbortSignal.any([call.signal, attemptEnded, this.#overspent.signal]);
    this.deadline = deadlineAt === null ? undefined : Math.round(deadlineAt);
    this.attempt = options.attempt;
    this.runId = x.root.id;
    this.traceId = x.spec.traceId;
    this.idempotencyKey = options.idempotencyKey;
    this.streaming = x.spec.config.streaming;
    this.logger = host.logger;
    this.emit = (event) => this.#emit(event);
    this.budget = { remaining: () => this.#remaining(), charge: (usage) => this.#charge(usage) };
    let count = 0;
    this.run = ((nested: NestedRun) => {
      const given = {
        signal: this.signal,
        key: `${this.idempotencyKey}:${++count}`,
        left: { ...this.#left },
      };
      const output = this.#follow(startNested(call, nested, given));
      // A tool may forget it; its rejection must not end the process.
      output.catch(() => {});
      this.#nested.add(output);
      return output;
    }) as ToolContext['run'];
  }

  get notes(): readonly Note[] {
    return this.#notes;
  }

  /** The tool has settled: nested runs it left behind are ended. */
  async close(): Promise<void> {
    if (this.#nested.size > 0) {
      this.#overspent.abort(new Error(`The call of "${this.#call.tool.name}" that started it has ended.`));
      await Promise.allSettled(this.#nested);
    }
    this.#isClosed = true;
  }

  recordOf(outcome: ToolCallOutcome): StepRecord['outcome'] {
    if (outcome.kind !== 'threw') return outcome;
    const { error, usage } = outcome;
    const { x, tool, host } = this.#call;
    // Judged where the error is what was thrown; what the callbacks warn of is noted like all else.
    const noting = Object.create(x, {
      warn: {
        value: (code: string, message: string) => this.#notes.push({ kind: 'warning', code, message }),
      },
    }) as typeof x;
    const judged = host.judging.classify(noting, tool, error, Date.now());
    const failure = { ...judged, message: shortened(judged.message) };
    const isNestedLimit = this.#nestedErrors.has(error);
    return { kind: 'threw', thrown: recordThrown(error), usage, failure, isNestedLimit };
  }

  async #follow(run: Promise<OrchestrationOutput>): Promise<OrchestrationOutput> {
    let usage: Usage | undefined;
    try {
      const output = await run;
      usage = output.usage;
      return output;
    } catch (error) {
      usage = (error as { output?: OrchestrationOutput }).output?.usage;
      this.#nestedErrors.add(error);
      throw error;
    } finally {
      if (usage) {
        this.#note({ kind: 'nested', usage });
        this.#spend(usage.totalTokens, usage.costUsd);
      }
    }
  }

  #note(note: Note): void {
    if (!this.#isClosed) this.#notes.push(note);
  }

  #emit(event: ToolEmission): void {
    if (this.#isClosed || this.signal.aborted) return;
    const read = readEmission(this.#call, event);
    if (isDelta(read) && !this.streaming) return;
    this.#noteBytes += 'problem' in read ? read.problem.length : JSON.stringify(read).length;
    if (this.#noteBytes <= MAX_NOTE_BYTES) return this.#note({ kind: 'event', event: read });
    const message = `"${this.#call.tool.name}" emitted more than ${MAX_NOTE_BYTES} bytes of events in one call; what came later was left out.`;
    const isSaid = this.#notes.some((note) => note.kind === 'warning' && note.message === message);
    if (!isSaid) this.#note({ kind: 'warning', code: 'event_ignored', message });
  }

  #charge(reported: ReportedUsage): void {
    const read = readUsage(reported);
    const { usage } = read;
    this.#note({ kind: 'charge', usage: read });
    if (usage) this.#spend(usage.totalTokens, usage.costUsd ?? 0);
  }

  /** At once, so that the tool can see it before it spends more. */
  #spend(tokens: number, costUsd: number): void {
    const left = this.#left;
    left.tokens -= tokens;
    left.costUsd -= costUsd;
    if (left.tokens >= 0 && left.costUsd >= -1e-12) return;
    this.#overspent.abort(new DOMException("The run's budget is spent.", 'AbortError'));
  }

  #remaining(): ReturnType<ToolContext['budget']['remaining']> {
    const { tokens, costUsd } = this.#left;
    return {
      ...(tokens === Infinity ? {} : { tokens: Math.max(0, tokens) }),
      ...(costUsd === Infinity ? {} : { costUsd: Math.max(0, costUsd) }),
      ...(this.deadline === undefined ? {} : { ms: Math.max(0, this.deadline - Date.now()) }),
    };
  }
}
