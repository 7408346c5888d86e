import type { AttemptFailure, ErrorJson, OrchestratorErrorCode } from '../core/errors.js';
import type { BundleStatus } from '../core/evidence/bundle.js';
import type { RunStatus } from '../core/output.js';
import type { ParallelPolicy } from '../core/planning/planner.js';
import type { AttemptContext, AttemptEnd, AttemptEvent, Candidate } from './attempt.js';
import type { StepRecord } from './branches.js';

export interface RunInput {
  readonly runId: string;
  /** Known from the start when the caller named the tool and the key was claimed, or for a step of a plan. */
  readonly candidates: readonly Candidate[] | null;
  /** False: an idempotency key must be claimed first. */
  readonly isAdmitted: boolean;
  readonly maxAttempts: number;
  readonly attemptTimeoutMs: number | null;
  readonly abortGraceMs: number;
  readonly deadlineAt: number | null;
}

/** How a run will end, once that is known. */
export interface RunEnd {
  readonly status: RunStatus;
  readonly code: OrchestratorErrorCode | null;
  /** Half a sentence: why nothing more was tried. */
  readonly why: string | null;
  readonly retryAfterMs: number | null;
}

/** How it ended, for a machine that has it as a child. `rejected`: refused before it began. */
export interface RunOutput {
  readonly status: RunStatus | 'rejected';
}

export interface RunContext extends AttemptContext {
  /** The key under which the runtime keeps what is no JSON: tool, controllers, event log. */
  runId: string;
  isAdmitted: boolean;
  /** Of the candidates that refused: in how many milliseconds the first of them may be asked again. */
  soonest: number | null;
  /** Of a chain or a parallel plan; each step is a run of its own. */
  steps: readonly StepRecord[];
  /** The step a chain is at. */
  step: number;
  policy: ParallelPolicy;
  quorum: number;
  /** The supervisor of a bundle, an actor of its own. */
  bundle: 'running' | 'ended' | null;
  /** Why the current candidate's bundle has no valid replicate. */
  bundleEnd: (AttemptEnd & { readonly committed: boolean }) | null;
  /** What stopped it after the bundle's answer was known; it decides only where that turns out to be none. */
  late: RunEnd | null;
  end: RunEnd | null;
}

export type RunEvent =
  | AttemptEvent
  | { type: 'claim.won' }
  | { type: 'claim.stored'; status: 'completed' | 'partial' }
  | { type: 'claim.held'; until: number }
  | { type: 'rejected'; error: ErrorJson }
  | { type: 'planned'; candidates: readonly Candidate[] }
  | { type: 'planned.chain'; steps: readonly string[] }
  | { type: 'planned.parallel'; steps: readonly string[]; policy: ParallelPolicy; quorum: number }
  | { type: 'step.ended'; step: number; status: RunStatus; code: OrchestratorErrorCode | null }
  /** The answer is known: what is left to do is to settle losers and to reduce the answers. */
  | { type: 'bundle.decided' }
  | {
      type: 'bundle.ended';
      /** `cut`: a limit or a cancellation ended it. */
      status: BundleStatus | 'cut';
      /** Why no replicate could answer; null where one did. */
      end: AttemptEnd | null;
      /** Part of an answer was shown, so no other tool may answer instead. */
      committed: boolean;
      failures: readonly AttemptFailure[];
    }
  | { type: 'deadline.extended'; at: number | null }
  | { type: 'cancel' }
  | { type: 'deadline.passed' }
  | { type: 'budget.exceeded' }
  | { type: 'timer.grace' };
