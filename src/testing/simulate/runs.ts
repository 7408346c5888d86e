import type { RunEvent } from '../../core/events.js';
import type { OrchestrationOutput } from '../../core/output.js';
import type { Run } from '../../runtime/run-handle.js';
import type { LedgerBudget } from './process.js';
import type { CallRecord } from './calls.js';
import type { RunOperation } from './plan.js';
import type { SimulatedProcess } from './process.js';

/** A run that an operation started, as its caller sees it. */
export interface RunRecord {
  readonly operation: RunOperation;
  readonly process: SimulatedProcess;
  readonly run: Run;
  readonly startedAt: number;
  readonly key: string | undefined;
  readonly budget: LedgerBudget | undefined;
  readonly controller: AbortController | undefined;
  /** Every call made for it, those of nested runs included. */
  readonly calls: CallRecord[];
  /** What its live reader or its observer was given. */
  readonly seen: RunEvent[];
  /** Deltas of these calls were shown: `tool attempt`. */
  readonly shown: { tool: string; attempt: number }[];
  cancelledAt: number | undefined;
  settledAt: number | undefined;
  output: OrchestrationOutput | undefined;
  error: unknown;
  hasRejected: boolean;
  /** Its process was killed: nothing is heard of it any more. */
  isLost: boolean;
}

export function isOpen(record: RunRecord): boolean {
  return record.settledAt === undefined && !record.isLost;
}

/** Runs that may be part of the same execution. */
export function areShared(a: RunRecord, b: RunRecord): boolean {
  if (a === b) return true;
  const isSame = a.operation.task.variant === b.operation.task.variant;
  return a.key !== undefined && a.key === b.key && a.process === b.process && isSame;
}
