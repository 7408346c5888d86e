import type { Amount, ReportedUsage } from '../../core/usage.js';
import type { ToolContext } from '../../core/tool.js';
import { FAILURES, type Behaviour } from './behaviour.js';
import type { RunRecord } from './runs.js';
import type { ToolFacts } from './setting.js';

/** One call, as its tool saw it. */
export interface CallRecord {
  readonly number: number;
  /** The run of an operation that it belongs to, through nested runs too. */
  readonly run: RunRecord;
  /** The call it was made inside of. */
  readonly outer: CallRecord | undefined;
  readonly tool: string;
  readonly facts: ToolFacts;
  readonly behaviour: Behaviour;
  readonly context: ToolContext;
  /** Read at once, as a tool that calls `fetch` would. */
  readonly signal: AbortSignal;
  readonly startedAt: number;
  /** How long its run waits for it once it was aborted. */
  readonly graceMs: number;
  readonly inside: CallRecord[];
  charged: Amount;
  /** Nested runs it waits for: its pool slot is lent to them. */
  waitsForNested: number;
  hasNested: boolean;
  /** How the tool settled; undefined: it has not. */
  end: 'answered' | 'failed' | 'bad_output' | 'nested_error' | 'stopped' | undefined;
  endedAt: number | undefined;
  reported: ReportedUsage | undefined;
  /** What was settled was seen by Troupe as well. */
  hasLanded: boolean;
  abortedAt: number | undefined;
}

/** At least and at most. */
export interface Range {
  readonly low: Amount;
  readonly high: Amount;
}

const NOTHING: Range = { low: { tokens: 0, costUsd: 0 }, high: { tokens: 0, costUsd: 0 } };

export function sumOf(ranges: readonly Range[]): Range {
  return ranges.reduce(
    (sum, range) => ({ low: plus(sum.low, range.low), high: plus(sum.high, range.high) }),
    NOTHING,
  );
}

/** Whether it was aborted and left behind, as far as can be told: in the moment the grace ends it can go either way. */
export function wasLeftBehind(call: CallRecord): boolean | 'perhaps' {
  const { abortedAt, endedAt, graceMs } = call;
  if (abortedAt === undefined) return false;
  if (endedAt === undefined) return true;
  return endedAt < abortedAt + graceMs - 2 ? false : 'perhaps';
}

/** What a call must count as by docs/budgets.md, nested runs left out. */
export function usageOf(call: CallRecord): Range {
  const isLeft = wasLeftBehind(call);
  const regular = () => settledUsage(call);
  const reserved = () => atLeast(call.charged, reservationOf(call));
  if (isLeft === 'perhaps') return hull(regular(), reserved());
  return isLeft ? reserved() : regular();
}

function settledUsage(call: CallRecord): Range {
  const { reported, charged, end, behaviour, abortedAt, endedAt } = call;
  if (reported) {
    const tokens = Math.max(
      (reported.inputTokens ?? 0) + (reported.outputTokens ?? 0),
      reported.totalTokens ?? 0,
    );
    const used = { tokens, costUsd: reported.costUsd ?? 0 };
    return exactly({
      tokens: Math.max(used.tokens, charged.tokens),
      costUsd: Math.max(used.costUsd, charged.costUsd),
    });
  }
  const reserved = atLeast(charged, reservationOf(call));
  if (abortedAt !== undefined && (endedAt !== abortedAt || end === 'stopped')) return reserved;
  const isFree = end === 'failed' && FAILURES[behaviour.failure].precedes;
  const hasCharged = charged.tokens > 0 || charged.costUsd > 0;
  const known = isFree || call.hasNested || hasCharged ? exactly(charged) : reserved;
  // Aborted in the moment it settled: what came first is not seen from here.
  return abortedAt === undefined ? known : hull(known, reserved);
}

/** What was reserved for it and not used by nested runs. */
function reservationOf({ facts, inside }: CallRecord): Range {
  const { estimate } = facts;
  if (!estimate) return { low: NOTHING.low, high: { tokens: Infinity, costUsd: Infinity } };
  const nested = sumOf(inside.map(totalOf));
  return { low: minus(estimate, nested.high), high: minus(estimate, nested.low) };
}

/** With what is nested in it. */
export function totalOf(call: CallRecord): Range {
  return sumOf([usageOf(call), ...call.inside.map(totalOf)]);
}

function exactly(amount: Amount): Range {
  return { low: amount, high: amount };
}

function atLeast(floor: Amount, { low, high }: Range): Range {
  return { low: largest(floor, low), high: largest(floor, high) };
}

function hull(a: Range, b: Range): Range {
  return {
    low: { tokens: Math.min(a.low.tokens, b.low.tokens), costUsd: Math.min(a.low.costUsd, b.low.costUsd) },
    high: largest(a.high, b.high),
  };
}

function largest(a: Amount, b: Amount): Amount {
  return { tokens: Math.max(a.tokens, b.tokens), costUsd: Math.max(a.costUsd, b.costUsd) };
}

function plus(a: Amount, b: Amount): Amount {
  return { tokens: a.tokens + b.tokens, costUsd: a.costUsd + b.costUsd };
}

function minus(a: Amount, b: Amount): Amount {
  return { tokens: Math.max(0, a.tokens - b.tokens), costUsd: Math.max(0, a.costUsd - b.costUsd) };
}
