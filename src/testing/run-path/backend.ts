import { AsyncLocalStorage } from 'node:async_hooks';
import type { ToolContext } from '../../core/tool.js';

/** What a flight's backend is told to do. */
export type Verdict =
  | { readonly kind: 'answer' }
  | { readonly kind: 'fail'; readonly status: number; readonly retryAfterMs?: number };

/** What stands behind a tool while a path is walked, in the place of a model or a service. */
export interface Backend {
  /**
   * Resolves with the answer, or throws an error that has a `status` and, where the path says so, `retryAfterMs`, once the
   * path comes to it. Rejects when the signal aborts, as `fetch` does.
   */
  call(options?: { signal?: AbortSignal }): Promise<unknown>;
  /** The same in the form of `fetch`: a `Response` with the answer as JSON, or with the status and `retry-after`. */
  readonly fetch: typeof globalThis.fetch;
}

/** One call of a tool, held by the path until it says how the call ends. */
export class Flight {
  private verdict: Verdict | undefined;
  private readonly asked = new Set<(verdict: Verdict) => void>();
  private land!: () => void;
  private readonly landed = new Promise<void>((resolve) => (this.land = resolve));
  /** What the tool did by itself, before the path let it land. */
  result: 'answered' | 'threw' | undefined;
  /** What it threw. */
  error: unknown;
  /** Its signal was aborted, its backend would have let go, and it went on all the same. */
  ignoredSignal = false;

  constructor(
    readonly tool: string,
    readonly context: ToolContext,
    /** The backend goes on whatever the signal says. */
    readonly ignoresAbort: boolean,
  ) {}

  /** Runs the tool; what it gave is held back until {@link Flight.end}. */
  async carry<T>(execute: () => T): Promise<Awaited<T>> {
    try {
      const given = await flights.run(this, execute);
      this.result = 'answered';
      await this.landed;
      return given;
    } catch (error) {
      this.result = 'threw';
      this.error = error;
      await this.landed;
      throw error;
    }
  }

  /** Lets its backend answer or fail, and lets the call land once the tool has settled. */
  end(verdict: Verdict): void {
    this.verdict ??= verdict;
    this.ignoredSignal = this.context.signal.aborted && !this.ignoresAbort && this.result === undefined;
    for (const tell of this.asked) tell(this.verdict);
    this.asked.clear();
    this.land();
  }

  /** What its backend says; pending until the path comes to it. */
  ask(signal: AbortSignal | undefined): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      if (this.verdict) return resolve(this.verdict);
      this.asked.add(resolve);
      if (signal === undefined || this.ignoresAbort) return;
      const abort = () => reject(signal.reason as Error);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
  }
}

const flights = new AsyncLocalStorage<Flight>();

/** A backend that does what the flight it is called in is told. */
export function backendOf(answer: unknown): Backend {
  const ask = (signal: AbortSignal | null | undefined) => {
    const flight = flights.getStore();
    if (!flight)
      throw new Error('The backend of a path answers only to the tool whose call it stands behind.');
    return flight.ask(signal ?? undefined);
  };
  return {
    async call({ signal } = {}) {
      const verdict = await ask(signal);
      if (verdict.kind === 'answer') return structuredClone(answer);
      const { status, retryAfterMs } = verdict;
      const floor = retryAfterMs === undefined ? {} : { retryAfterMs };
      throw Object.assign(new Error(`HTTP ${status}`), { status, ...floor });
    },
    async fetch(_input, init) {
      const verdict = await ask(init?.signal);
      if (verdict.kind === 'answer') return Response.json(answer);
      const { status, retryAfterMs } = verdict;
      const headers = new Headers();
      if (retryAfterMs !== undefined) headers.set('retry-after-ms', String(retryAfterMs));
      return Response.json({ error: { message: `HTTP ${status}` } }, { status, headers });
    },
  };
}
