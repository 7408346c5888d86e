import { createHash } from 'node:crypto';
import type { Claim, ClaimRequest, JsonValue } from '../index.js';

/** How long an answer is kept unless told otherwise, in milliseconds: a day. */
export const TTL_MS = 86_400_000;
/** How often what has expired is looked for, in milliseconds. */
export const SWEEP_EVERY_MS = 60_000;
/** How long a lease that has ended is kept, in milliseconds: who held it may still store its answer. */
export const LAPSED_MS = 3_600_000;
/** So many records are removed at a time, so that nobody waits long for it; there may be more: the next claim goes on. */
export const SWEEP_SIZE = 1000;

/** A record as both databases keep it. */
export interface Row {
  readonly fingerprint: string;
  readonly owner: string;
  readonly lease_until: number;
  /** JSON text; null while it runs. */
  readonly output: string | null;
  readonly kept_until: number | null;
}

/** Stands for a key in an index, whatever its length and characters. */
export function idOf(key: string): string {
  return createHash('sha256').update(key, 'utf16le').digest('base64url');
}

/** Any text as one that any database takes (no NUL, no half characters), and different texts as different ones. */
export function asText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** What a claim that was not won is to be told; undefined: the record has changed meanwhile, so ask again. */
export function claimOf(row: Row | undefined, { fingerprint, now }: ClaimRequest): Claim | undefined {
  if (!row) return undefined;
  const isSame = row.fingerprint === asText(fingerprint);
  if (row.output !== null) {
    if (row.kept_until === null || row.kept_until <= now) return undefined;
    return isSame ? { kind: 'stored', output: JSON.parse(row.output) as JsonValue } : { kind: 'conflict' };
  }
  if (row.lease_until <= now) return undefined;
  return isSame ? { kind: 'held', retryAfterMs: row.lease_until - now } : { kind: 'conflict' };
}

/** A claim is asked for so often before it is given up: each time another process was faster. */
export const CLAIM_TRIES = 100;
