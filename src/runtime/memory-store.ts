import { InvalidOptionsError } from '../core/errors.js';
import type { JsonValue } from '../core/json.js';
import type { Claim, ClaimRequest, Store } from '../core/ports.js';

export interface MemoryStoreOptions {
  /** How long an answer is kept, in milliseconds. Default 900000 (15 minutes). */
  ttlMs?: number;
  /** Answers kept; the oldest leave first. Default 1000. */
  maxEntries?: number;
  /** Size of all answers together, as JSON text. Default 67108864 (64 MiB). */
  maxBytes?: number;
}

interface Answer {
  readonly fingerprint: string;
  readonly json: string;
  readonly bytes: number;
  readonly until: number;
}

interface Lease {
  readonly fingerprint: string;
  readonly owner: string;
  until: number;
}

/**
 * Idempotency records in this process: the default store. What it answers, it answers at once.
 *
 * @throws {InvalidOptionsError} for limits that are no positive numbers.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  for (const key of Object.keys(options)) {
    if (!['ttlMs', 'maxEntries', 'maxBytes'].includes(key)) {
      throw new InvalidOptionsError(
        `Unknown option \`${key}\`. memoryStore() takes ttlMs, maxEntries, maxBytes.`,
      );
    }
  }
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  private readonly ttlMs: number;
  private readonly maxEntries: number;
  private readonly maxBytes: number;
  /** In order of completion, which is also the order of expiry. */
  private readonly answers = new Map<string, Answer>();
  private readonly leases = new Map<string, Lease>();
  private bytes = 0;

  constructor({ ttlMs = 900_000, maxEntries = 1000, maxBytes = 64 * 1024 * 1024 }: MemoryStoreOptions) {
    for (const [name, value] of Object.entries({ ttlMs, maxEntries, maxBytes })) {
      if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
        throw new InvalidOptionsError(
          `Memory store option \`${name}\` must be a positive number, got ${String(value)}.`,
        );
      }
    }
    this.ttlMs = ttlMs;
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
  }

  claim({ key, fingerprint, owner, leaseMs, now }: ClaimRequest): Claim {
    this.expire(now);
    const answer = this.answers.get(key);
    if (answer) {
      if (answer.fingerprint !== fingerprint) return { kind: 'conflict' };
      return { kind: 'stored', output: JSON.parse(answer.json) as JsonValue };
    }
    const lease = this.leases.get(key);
    if (lease && lease.until > now && lease.owner !== owner) {
      if (lease.fingerprint !== fingerprint) return { kind: 'conflict' };
      return { kind: 'held', retryAfterMs: lease.until - now };
    }
    this.leases.set(key, { fingerprint, owner, until: now + leaseMs });
    return { kind: 'won' };
  }

  renew({ key, owner, leaseMs, now }: { key: string; owner: string; leaseMs: number; now: number }): boolean {
    const lease = this.leases.get(key);
    if (lease?.owner !== owner) return false;
    lease.until = now + leaseMs;
    return true;
  }

  complete({
    key,
    owner,
    output,
    now,
  }: {
    key: string;
    owner: string;
    output: JsonValue;
    now: number;
  }): boolean {
    const lease = this.leases.get(key);
    if (lease?.owner !== owner) return false;
    this.leases.delete(key);
    const json = JSON.stringify(output);
    const bytes = Buffer.byteLength(json);
    // One that is too large by itself must not drive out all others.
    if (bytes > this.maxBytes) return true;
    this.answers.set(key, { fingerprint: lease.fingerprint, json, bytes, until: now + this.ttlMs });
    this.bytes += bytes;
    while (this.answers.size > this.maxEntries || this.bytes > this.maxBytes) this.dropOldest();
    return true;
  }

  release({ key, owner }: { key: string; owner: string }): void {
    if (this.leases.get(key)?.owner === owner) this.leases.delete(key);
  }

  close(): void {
    this.answers.clear();
    this.leases.clear();
    this.bytes = 0;
  }

  private expire(now: number): void {
    for (const answer of this.answers.values()) {
      if (answer.until > now) return;
      this.dropOldest();
    }
  }

  private dropOldest(): void {
    const [key, answer] = this.answers.entries().next().value!;
    this.answers.delete(key);
    this.bytes -= answer.bytes;
  }
}
