import type { RunStatus } from '../core/output.js';
import type { ParallelPolicy } from '../core/planning/planner.js';

/** A step or branch, as the run chart keeps it; null: not started. */
export interface StepRecord {
  readonly name: string;
  readonly status: RunStatus | 'running' | null;
}

type BranchVerdict = 'completed' | 'partial' | 'failed' | 'budget_exceeded' | null;

/** What the branches have decided so far under a policy; null: go on. */
export function judgeBranches(
  steps: readonly StepRecord[],
  policy: ParallelPolicy,
  quorum: number,
): BranchVerdict {
  const count = (wanted: (status: StepRecord['status']) => boolean) =>
    steps.filter((step) => wanted(step.status)).length;
  const answered = count((status) => status === 'completed' || status === 'partial');
  const running = count((status) => status === 'running' || status === null);
  const failed = steps.length - answered - running;
  // Where the policy is out of reach because a branch was too dear, the budget is what ended the run.
  const lost = steps.some((step) => step.status === 'budget_exceeded') ? 'budget_exceeded' : 'failed';
  if (policy === 'settled') {
    if (running > 0) return null;
    return answered === 0 ? lost : failed > 0 ? 'partial' : 'completed';
  }
  if (answered >= quorum) return policy === 'quorum' && failed > 0 ? 'partial' : 'completed';
  return answered + running < quorum ? lost : null;
}
