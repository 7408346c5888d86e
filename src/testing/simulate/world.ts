import type { RunEvent } from '../../core/events.js';
import type { OrchestrationOutput } from '../../core/output.js';
import type { ToolContext } from '../../core/tool.js';
import { VirtualClock } from '../virtual-clock.js';
import { FAILURES, behaviourOf } from './behaviour.js';
import type { BreakerModel, Verdict } from './breaker-model.js';
import type { CallRecord } from './calls.js';
import { Coverage } from './coverage.js';
import type { FaultRates } from './faults.js';
import { eachProvider, SimulatedProcess, type LedgerBudget } from './process.js';
import { breachAtCall } from './rules-at-call.js';
import { breachAtClose, breachAtEnd } from './rules-at-end.js';
import { breachAtRest, breachWhenQuiet } from './rules-at-rest.js';
import type { Breach } from './rules.js';
import { areShared, isOpen, type RunRecord } from './runs.js';
import { BREAKERS, factsOf, PROCESSES, type ToolName } from './setting.js';
import { SharedStore } from './store.js';
import { toolsOf, type Watch } from './tools.js';
import { turns } from '../turns.js';

/** Two processes, one store and one clock, with all that their tools and callers see. */
export class World {
  readonly clock = new VirtualClock();
  readonly store = new SharedStore();
  readonly runs: RunRecord[] = [];
  readonly coverage = new Coverage();
  readonly processes: SimulatedProcess[] = [];
  /** Until when a provider is down. */
  readonly outages = eachProvider(() => 0);
  breach: Breach | undefined;
  /** A line for each call, in order. */
  readonly calls: CallRecord[] = [];
  /** Leaps of the clock: from, to. */
  private readonly leaps: [from: number, to: number][] = [];
  private readonly byRunId = new Map<string, RunRecord>();
  private readonly answers = new Map<string, unknown[]>();
  private readonly settled: RunRecord[] = [];
  /** Per process: calls whose tool has not settled, or whose end Troupe has not seen. */
  private readonly inFlight = new Map<SimulatedProcess, Set<CallRecord>>();
  private readonly ownLedgers = new Map<SimulatedProcess, LedgerBudget[]>();
  private readonly open = new Map<SimulatedProcess, Set<RunRecord>>();
  private generation = 0;

  constructor(
    readonly seed: number,
    private readonly faults: FaultRates,
  ) {
    for (let index = 0; index < PROCESSES; index++) this.start(index);
  }

  get now(): number {
    return this.clock.now();
  }

  /** Starts a process in the place of one that is gone. */
  start(index: number): SimulatedProcess {
    const { seed, clock, store } = this;
    const process = new SimulatedProcess(index, ++this.generation, {
      seed,
      clock,
      store,
      faulted: (message, fields) => this.faulted(message, fields),
      toolsFor: (of) => toolsOf(of, this.watch),
    });
    this.inFlight.set(process, new Set());
    this.ownLedgers.set(process, []);
    this.open.set(process, new Set());
    this.coverage.watch(process.troupe.events, () => process.isDead);
    this.processes[index] = process;
    return process;
  }

  fail(breach: Breach | undefined): void {
    this.breach ??= breach;
  }

  /** Follows a run that was started. */
  follow(record: RunRecord): void {
    this.runs.push(record);
    this.byRunId.set(record.run.id, record);
    this.open.get(record.process)!.add(record);
    const { budget, process } = record;
    if (budget && !process.budgets.includes(budget)) this.ownLedgers.get(process)!.push(budget);
    const settle = (output: OrchestrationOutput | undefined, error: unknown, hasRejected: boolean) => {
      if (record.isLost) return;
      Object.assign(record, { output, error, hasRejected, settledAt: this.now });
      this.open.get(process)!.delete(record);
      this.settled.push(record);
    };
    record.run.output.then(
      (output) => settle(output, undefined, false),
      (error: unknown) => {
        const { output } = error as { output?: OrchestrationOutput };
        settle(output, error, true);
      },
    );
  }

  /** Kills a process: what it had under way is never heard of again. */
  kill(process: SimulatedProcess) {
    const snapshots = process.kill();
    for (const record of this.openRuns(process)) record.isLost = true;
    this.open.get(process)!.clear();
    this.inFlight.get(process)!.clear();
    return snapshots;
  }

  leap(ms: number): void {
    const from = this.now;
    this.clock.jump(ms);
    this.leaps.push([from, this.now]);
    this.store.excuseAll();
  }

  /** When something due at a time happens at the latest: a leap over it makes it late. */
  leaptOver(at: number): number {
    let late = at;
    for (const [from, to] of this.leaps) if (from <= late && late <= to) late = to;
    return late;
  }

  flying(process: SimulatedProcess): CallRecord[] {
    return [...this.inFlight.get(process)!];
  }

  flyingEverywhere(): CallRecord[] {
    return this.processes.flatMap((process) => this.flying(process));
  }

  openRuns(process: SimulatedProcess): RunRecord[] {
    return [...this.open.get(process)!];
  }

  ledgers(process: SimulatedProcess): LedgerBudget[] {
    return [...process.budgets, ...this.ownLedgers.get(process)!];
  }

  /** Neither it nor anyone who may share its execution goes on. */
  hasEnded(record: RunRecord): boolean {
    if (isOpen(record)) return false;
    return !this.openRuns(record.process).some((other) => areShared(record, other));
  }

  /** In this very moment time and a call both touched the breaker, or time leapt: either may have come first. */
  isUnsettled(model: BreakerModel): boolean {
    return this.leaps.at(-1)?.[1] === this.now || model.isDoubtful(this.now);
  }

  noteAnswer(key: string, variant: number, content: unknown): void {
    const name = `${key} ${variant}`;
    this.answers.set(name, [...this.answersOf(key, variant), content]);
  }

  answersOf(key: string, variant: number): unknown[] {
    return this.answers.get(`${key} ${variant}`) ?? [];
  }

  /** Lets all that is ready go on, and checks what must hold then. */
  async rest(): Promise<void> {
    await turns();
    await this.checkEnds();
    for (const process of this.processes) {
      if (this.breach || process.isDead) continue;
      this.fail(breachAtRest(this, process));
    }
    const next = this.clock.nextAt();
    if (next !== undefined && next <= this.now) return;
    for (const process of this.processes) {
      if (this.breach || process.isDead || process.isClosed) continue;
      this.fail(breachWhenQuiet(this, process));
    }
    if (this.store.doubled !== undefined) {
      this.fail({ rule: 'claimed', message: `the store gave "${this.store.doubled}" to two owners at once` });
    }
  }

  /** Lets time pass, timer by timer. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await this.rest();
    while (!this.breach && this.clock.fireNext(until)) await this.rest();
  }

  /** Closes a process, and checks what it leaves. */
  close(process: SimulatedProcess, graceMs: number): void {
    process.closingAt = this.now + graceMs;
    void process.troupe.close({ graceMs }).then(() => {
      process.isClosed = !process.isDead;
    });
  }

  checkClosed(process: SimulatedProcess): void {
    if (!this.breach) this.fail(breachAtClose(this, process));
  }

  private async checkEnds(): Promise<void> {
    for (const record of this.settled.splice(0)) {
      const events: RunEvent[] = [];
      for await (const event of record.run.events) events.push(event);
      this.coverage.ended(record, events);
      if (!this.breach) this.fail(breachAtEnd(this, { record, events }));
    }
  }

  private faulted(message: string, fields?: Record<string, unknown>): void {
    if (message.startsWith('The store failed')) return;
    this.fail({ rule: 'no_fault', message: `${message} ${JSON.stringify(fields ?? {})}` });
  }

  private readonly watch: Watch = {
    begun: (process, tool, request, context) => {
      if (process.isDead || this.breach) return undefined;
      const call = this.callOf(tool, request, context);
      if (call === undefined) return undefined;
      this.calls.push(call);
      call.run.calls.push(call);
      call.outer?.inside.push(call);
      call.run.budget?.calls.push(call);
      this.inFlight.get(process)!.add(call);
      this.fail(breachAtCall(this, call));
      return call;
    },
    aborted: (call) => {
      if (call.run.process.isDead) return;
      call.abortedAt = this.now;
      const { models } = call.run.process;
      const { provider } = call.facts;
      const { slow } = BREAKERS[provider];
      const reason = call.signal.reason as Error;
      const lastedMs = this.now - call.startedAt;
      const isSlow = slow !== undefined && lastedMs >= slow.ms;
      const isLate = reason.name === 'TimeoutError';
      // A nested run that is cancelled is given the reason of its outer call, and may have the same deadline.
      if (call.outer && isLate && isSlow) models[provider].doubt(this.now);
      const isOwnLimit = !call.outer && isLate && reason.message.includes('its limit');
      models[provider].settle(
        call.number,
        isOwnLimit || (isLate && isSlow) ? 'failure' : 'neutral',
        isSlow,
        this.now,
      );
    },
    landed: (call) => {
      const { process } = call.run;
      if (process.isDead) return;
      call.hasLanded = true;
      this.inFlight.get(process)!.delete(call);
      const { provider } = call.facts;
      if (call.abortedAt !== undefined) return;
      const { slow } = BREAKERS[provider];
      const isSlow = slow !== undefined && this.now - call.startedAt >= slow.ms;
      process.models[provider].settle(call.number, verdictOn(call), isSlow, this.now);
      const { failure, retryAfterMs } = call.behaviour;
      // After a leap it may have come too late to count.
      if (this.leaps.at(-1)?.[1] === this.now) return;
      if (call.end === 'failed' && failure === 'later' && retryAfterMs !== undefined) {
        process.cooldowns[provider] = Math.max(process.cooldowns[provider], this.now + retryAfterMs);
      }
    },
  };

  private callOf(tool: ToolName, request: unknown, context: ToolContext): CallRecord | undefined {
    const { outer: outerNumber } = (request ?? {}) as { outer?: number };
    const outer = outerNumber === undefined ? undefined : this.calls[outerNumber - 1];
    const run = outer?.run ?? this.byRunId.get(context.runId);
    if (run === undefined) {
      this.fail({
        rule: 'no_fault',
        message: `"${tool}" was called for a run nobody started: ${context.runId}`,
      });
      return undefined;
    }
    const facts = factsOf(tool);
    const { operation } = run;
    const graceMs = operation.abortGraceMs;
    const behaviour = behaviourOf(this.seed, operation.number, run.calls.length + 1, facts, this.faults);
    return {
      number: this.calls.length + 1,
      run,
      outer,
      tool,
      facts,
      behaviour: this.outages[facts.provider] > this.now ? { ...behaviour, ...OUTAGE } : behaviour,
      context,
      signal: context.signal,
      startedAt: this.now,
      graceMs: outer ? Math.floor(outer.graceMs * 0.9) : graceMs,
      inside: [],
      charged: { tokens: 0, costUsd: 0 },
      waitsForNested: 0,
      hasNested: false,
      end: undefined,
      endedAt: undefined,
      reported: undefined,
      hasLanded: false,
      abortedAt: undefined,
    };
  }
}

/** What every call of a provider that is down does. */
const OUTAGE = { does: 'fail', failure: 'unavailable', deltas: 0 } as const;

function verdictOn({ end, behaviour, tool }: CallRecord): Verdict {
  if (end === 'failed') return FAILURES[behaviour.failure].counts ? 'failure' : 'neutral';
  // An answer that its schema refuses says nothing about the provider.
  const isRefused = tool === 'jury' && behaviour.vote === 'maybe';
  return end === 'answered' && !isRefused ? 'success' : 'neutral';
}
