/** Durations are in milliseconds. There are no defaults: an oracle is told all it goes by. */
export interface IdempotencyOracleOptions {
  /** How long an answer is kept. */
  readonly ttlMs: number;
  /** How long an execution that nobody wants any more may take to settle. */
  readonly abortGraceMs: number;
}

/** What came of a caller's request. */
export interface IdempotencyOracleEnd {
  readonly status: 'completed' | 'failed' | 'cancelled' | 'timed_out' | 'conflict';
  /** Whose answer it got: an index into `executions`. Null: none. */
  readonly answer: number | null;
  /** It is a copy of an answer that was stored. */
  readonly isReplayed: boolean;
  /** It took part in an execution that another caller had begun. */
  readonly isCoalesced: boolean;
  readonly at: number;
}

export interface IdempotencyOracleCaller {
  readonly key: string;
  readonly fingerprint: string;
  readonly deadline: number;
  /** Index into `executions`; null while it has no part in any. */
  execution: number | null;
  /** It has left, and is the last: what it left must settle first. */
  leaving: 'cancelled' | 'timed_out' | null;
  end: IdempotencyOracleEnd | null;
}

export interface IdempotencyOracleExecution {
  readonly key: string;
  readonly fingerprint: string;
  /** The caller that began it. */
  readonly owner: number;
  abortedAt: number | null;
  state: 'running' | 'stopping' | 'ended';
}

interface Answer {
  readonly key: string;
  readonly fingerprint: string;
  readonly execution: number;
  readonly until: number;
}

/**
 * Callers with idempotency keys, written a second time from the rules alone: each execution is one call. Time begins
 * at 0 and passes by {@link IdempotencyOracle.elapse}.
 */
export class IdempotencyOracle {
  /** In order of arrival; a caller is named by its place here. */
  readonly callers: IdempotencyOracleCaller[] = [];
  /** In order of their beginning; an execution is named by its place here. */
  readonly executions: IdempotencyOracleExecution[] = [];
  private now = 0;
  private readonly answers: Answer[] = [];

  constructor(private readonly options: IdempotencyOracleOptions) {}

  /** A caller arrives. */
  call(key: string, fingerprint: string, timeoutMs: number): void {
    const deadline = this.now + timeoutMs;
    this.callers.push({ key, fingerprint, deadline, execution: null, leaving: null, end: null });
    this.admit(this.callers.length - 1);
  }

  /** The call of an execution answers. */
  ok(execution: number): void {
    const { state, key, fingerprint } = this.executions[execution]!;
    if (state === 'running') {
      const until = this.now + this.options.ttlMs;
      this.answers.push({ key, fingerprint, execution, until });
    }
    this.conclude(execution, 'completed');
  }

  /** The call of an execution fails. */
  fail(execution: number): void {
    this.conclude(execution, 'failed');
  }

  /** A caller cancels: it leaves the others alone, and the last of them aborts what is left. */
  leave(caller: number, why: 'cancelled' | 'timed_out' = 'cancelled'): void {
    const { execution, leaving, end } = this.callers[caller]!;
    if (leaving !== null || end !== null) return;
    const others = this.callersOf(execution).filter((each) => each !== caller);
    if (execution === null || others.length > 0) return this.finish(caller, why);
    this.callers[caller]!.leaving = why;
    this.executions[execution]!.abortedAt = this.now;
    this.executions[execution]!.state = 'stopping';
  }

  /** Time passes; what falls due on the way happens at its moment. */
  elapse(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const patient = this.callers.filter(({ leaving, end }) => leaving === null && end === null);
      const deadline = Math.min(...patient.map((caller) => caller.deadline));
      const stopping = this.executions.filter(({ state }) => state === 'stopping');
      const grace = Math.min(...stopping.map(({ abortedAt }) => abortedAt! + this.options.abortGraceMs));
      const next = Math.min(deadline, grace);
      if (next > end) break;
      this.now = next;
      if (next === deadline) {
        const late = patient.find((caller) => caller.deadline === deadline)!;
        this.leave(this.callers.indexOf(late), 'timed_out');
      } else {
        const left = stopping.find(({ abortedAt }) => abortedAt! + this.options.abortGraceMs === grace)!;
        this.conclude(this.executions.indexOf(left), 'failed');
      }
    }
    this.now = end;
  }

  /** Callers that take part in an execution and have not ended. */
  private callersOf(execution: number | null): number[] {
    const all = [...this.callers.keys()];
    return all.filter((each) => {
      const caller = this.callers[each]!;
      return execution !== null && caller.execution === execution && caller.end === null;
    });
  }

  private admit(caller: number): void {
    const { key, fingerprint } = this.callers[caller]!;
    const open = this.executions.findIndex((each) => each.key === key && each.state !== 'ended');
    const stored = this.answers.findLast((each) => each.key === key && each.until > this.now);
    const known = this.executions[open] ?? stored;
    if (known && known.fingerprint !== fingerprint) return this.finish(caller, 'conflict');
    if (open !== -1) {
      // One that is being aborted is not joined: what comes of it must settle first.
      if (this.executions[open]!.state === 'running') this.callers[caller]!.execution = open;
    } else if (stored) {
      this.finish(caller, 'completed', stored.execution, true);
    } else {
      this.callers[caller]!.execution = this.executions.length;
      this.executions.push({ key, fingerprint, owner: caller, abortedAt: null, state: 'running' });
    }
  }

  private conclude(execution: number, status: 'completed' | 'failed'): void {
    const { key, state } = this.executions[execution]!;
    if (state === 'ended') return;
    for (const each of this.callersOf(execution)) {
      const { leaving } = this.callers[each]!;
      const isAnswer = leaving === null && status === 'completed';
      this.finish(each, leaving ?? status, isAnswer ? execution : null);
    }
    this.executions[execution]!.state = 'ended';
    // Whoever came while it was being aborted is admitted now, in order of arrival.
    for (const [each, caller] of this.callers.entries()) {
      if (caller.key === key && caller.execution === null && caller.end === null) this.admit(each);
    }
  }

  private finish(
    caller: number,
    status: IdempotencyOracleEnd['status'],
    answer: number | null = null,
    isReplayed = false,
  ): void {
    const { execution } = this.callers[caller]!;
    const isCoalesced = execution !== null && this.executions[execution]!.owner !== caller;
    this.callers[caller]!.end = { status, answer, isReplayed, isCoalesced, at: this.now };
  }
}
