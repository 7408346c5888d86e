import { hash } from 'node:crypto';
import { callStore } from '../actors/store-call.js';
import { ConflictError, describeError, InvalidOptionsError } from '../core/errors.js';
import { isThenable } from '../core/ports.js';
import { checkSchema } from '../core/schema.js';
import type { AnyTool } from '../core/tool.js';
import { canonicalJson, type JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
import type { Timer } from './timers.js';

/** How long a claim stands without renewal, in milliseconds. */
export const LEASE_MS = 60_000;

/** Idempotency keys: callers in this process share executions, processes share the store. */
export class Claims {
  private readonly inFlight = new Map<string, Execution>();
  private readonly renewals = new Map<Execution, Timer>();
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

  /** Prolongs the claim in the store while the execution lives. */
  renewLater(x: Execution): void {
    const { host } = this;
    const { key } = x.spec.claim!;
    const renew = () => {
      const now = host.now();
      callStore(
        () => host.store.renew({ key, owner: x.id, leaseMs: LEASE_MS, now }),
        (isHeld) => {
          if (!isHeld)
            x.warn(
              'claim_lost',
              'The claim of the idempotency key was lost; another process may run it too.',
            );
        },
        (error) => this.storeFailed('renew', error),
      );
      this.renewLater(x);
    };
    if (!x.isEnded) this.renewals.set(x, host.backgroundTimers.set(host.now() + LEASE_MS / 3, renew));
  }

  /**
   * Stores an answer, then calls `done`, whatever the store does; or gives the key up. Without an answer nobody has to
   * wait for the store.
   */
  conclude(x: Execution, output: OrchestrationOutput | undefined, done: () => void): void {
    const { key } = x.spec.claim!;
    const { store } = this.host;
    const owner = x.id;
    const renewal = this.renewals.get(x);
    if (renewal) this.host.backgroundTimers.clear(renewal);
    this.renewals.delete(x);
    const free = () => {
      this.inFlight.delete(key);
      const waiting = this.waiting.get(key) ?? [];
      this.waiting.delete(key);
      for (const go of waiting) go();
    };
    if (output === undefined) {
      done();
      if (x.replay !== undefined) return free();
      return callStore(
        () => store.release({ key, owner }),
        free,
        (error) => {
          this.storeFailed('release', error);
          free();
        },
      );
    }
    const finished = () => {
      done();
      free();
    };
    callStore(
      () => store.complete({ key, owner, output: output as unknown as JsonValue, now: this.host.now() }),
      (isStored) => {
        if (isStored === false)
          this.host.logger.warn('A claim was lost before its answer could be stored.', { key });
        finished();
      },
      (error) => {
        this.storeFailed('complete', error);
        finished();
      },
    );
  }

  /** A claim that was won when nobody wanted it any more. */
  giveUp(x: Execution): void {
    const { key } = x.spec.claim!;
    callStore(
      () => this.host.store.release({ key, owner: x.id }),
      () => {},
      (error) => this.storeFailed('release', error),
    );
  }

  conflict(key: string): ConflictError {
    return new ConflictError(
      `The idempotency key "${key}" was used for a different request. Use a new key, or repeat the same request.`,
      key,
    );
  }

  private storeFailed(operation: string, error: unknown): void {
    const message = describeError(error);
    this.host.troupeEvents.emit({ type: 'store_failed', operation, message });
    this.host.logger.error(`The store failed to ${operation} an idempotency record.`, { error: message });
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
