import { hash } from 'node:crypto';
import { ConflictError, describeError, InvalidOptionsError } from '../core/errors.js';
import { isThenable } from '../core/ports.js';
import { checkSchema } from '../core/schema.js';
import type { AnyTool } from '../core/tool.js';
import { canonicalJson, type JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
import { Lease } from './lease.js';

/** Idempotency keys: callers in this process share executions, processes share the store. */
export class Claims {
  private readonly inFlight = new Map<string, Execution>();
  private readonly leases = new Map<Execution, Lease>();
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(private readonly host: Host) {}

  get size(): number {
    return this.inFlight.size;
  }

  /**
   * The execution in flight under a key.
   *
   * @throws {ConflictError} when it is of another request.
   */
  find(key: string, fingerprint: string): Execution | undefined {
    const x = this.inFlight.get(key);
    if (x && x.spec.claim!.fingerprint !== fingerprint) throw this.conflict(key);
    return x;
  }

  add(x: Execution): void {
    this.inFlight.set(x.spec.claim!.key, x);
  }

  /** Calls `fn` when nothing runs under the key any more. */
  whenFree(key: string, fn: () => void): void {
    const waiting = this.waiting.get(key);
    if (waiting) waiting.push(fn);
    else this.waiting.set(key, [fn]);
  }

  /** A claim was won: it is renewed while the execution lives. */
  won(x: Execution, askedAt: number): void {
    this.leases.set(x, new Lease(this.host, x, askedAt));
  }

  /**
   * Stores an answer, then calls `done`, whatever the store does; or gives the key up. Without an answer nobody has to
   * wait for the store.
   */
  conclude(x: Execution, output: OrchestrationOutput | undefined, done: () => void): void {
    const { key } = x.spec.claim!;
    const { store, stored } = this.host;
    this.leases.get(x)?.end();
    this.leases.delete(x);
    const free = () => {
      this.inFlight.delete(key);
      const waiting = this.waiting.get(key) ?? [];
      this.waiting.delete(key);
      for (const go of waiting) go();
    };
    const finished = () => {
      done();
      free();
    };
    if (x.isUnclaimed) return finished();
    if (output === undefined) {
      done();
      if (x.replay !== undefined) return free();
      const release = () => store.release({ key, owner: x.id });
      return stored.call({ operation: 'release', call: release, answered: free, failed: free });
    }
    const isNotStored = (why: string) => {
      x.warn(
        'not_stored',
        `The answer was not stored: ${why}. Another run with the key calls the tools again.`,
      );
      finished();
    };
    stored.call({
      operation: 'complete',
      call: () =>
        store.complete({ key, owner: x.id, output: output as unknown as JsonValue, now: this.host.now() }),
      answered: (isStored) =>
        isStored === false ? isNotStored('the claim of the key was lost') : finished(),
      failed: (error) => isNotStored(`the store failed: ${describeError(error)}`),
    });
  }

  /** A claim that was won when nobody wanted it any more, or that may have been. */
  giveUp(x: Execution): void {
    const { key } = x.spec.claim!;
    this.host.stored.attempt(() => this.host.store.release({ key, owner: x.id }));
  }

  conflict(key: string): ConflictError {
    return new ConflictError(
      `The idempotency key "${key}" was used for a different request. Use a new key, or repeat the same request.`,
      key,
    );
  }
}

/** What makes two requests the same: the tool asked for, the request and the caller's options. */
export function fingerprintOf(parts: {
  readonly tool: string | null;
  readonly version: string | null;
  readonly request: JsonValue;
  readonly toolOptions: JsonValue;
}): string {
  return hash('sha256', canonicalJson(parts));
}

/** Whether one execution waits for another: through nested runs, and executions these have joined. */
export function waitsFor(x: Execution, other: Execution): boolean {
  const seen = new Set<Execution>();
  const open = [x];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at === other) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    open.push(...(at.waitsFor ?? []));
  }
  return false;
}

export function ownKey(key: string): InvalidOptionsError {
  return new InvalidOptionsError(
    `The nested run uses the idempotency key "${key}" of the run it is part of, and would wait for itself. ` +
      'Give it another, or none: then it gets one that is stable across attempts.',
  );
}

/** A text and the object it stands for are the same request, unless the tool takes texts. */
export function sameRequest(tool: AnyTool | undefined, request: JsonValue): JsonValue {
  if (typeof request !== 'string') return request;
  const checked = tool?.input && checkSchema(tool.input, request);
  return checked && (isThenable(checked) || checked.ok) ? request : { query: request };
}
