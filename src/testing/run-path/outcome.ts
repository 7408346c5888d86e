import { isOrchestratorError } from '../../core/errors.js';
import type { Run } from '../../runtime/run-handle.js';
import type { Outcome } from './driver.js';

/** How a run ends, whether it resolves or rejects. */
export function outcomeOf({ output }: Run): Promise<Outcome> {
  return output.then(
    (given) => ({ output: given, error: undefined }),
    (error: unknown) => ({ output: isOrchestratorError(error) ? error.output : undefined, error }),
  );
}
