import { parseBundleOptions, pickBundleOptions } from '../core/bundle-options.js';
import { bundleProblem, schemaAt, type AnyBundleTool } from '../core/bundle-tool.js';
import { describeError, InvalidOptionsError } from '../core/errors.js';
import { currentCandidate } from '../machines/attempt.js';
import type { RunContext } from '../machines/run-context.js';
import { Bundle } from './bundle.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';

/** Asks replicates for the tool that a run has come to. */
export function startBundle(host: Host, owner: Execution, context: RunContext): void {
  const candidate = currentCandidate(context);
  const tool = host.tools.named(owner, candidate.tool) as AnyBundleTool;
  try {
    const problem = bundleProblem(tool);
    if (problem !== undefined) throw new InvalidOptionsError(problem);
    const config = parseBundleOptions(pickBundleOptions(host.tools.optionsOf(owner, tool)));
    const schema = schemaAt(tool, config.schemaUri);
    if (config.schemaUri !== undefined && schema === undefined) {
      owner.warn(
        'schema_unknown',
        `No schema is known under "${config.schemaUri}", so answers were not checked against it. Add it to the tool's \`schemas\`.`,
      );
    }
    owner.bundle = new Bundle(host, owner, tool, candidate, context, config, schema);
  } catch (error) {
    owner.lastError = error;
    const end = { code: 'validation', why: describeError(error), retryAfterMs: null } as const;
    return owner.send({ type: 'bundle.ended', status: 'failed', end, failures: [], committed: false });
  }
  owner.bundle.start();
}
