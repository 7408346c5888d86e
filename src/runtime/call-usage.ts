import type { ToolCallOutcome } from '../actors/tool-call.js';
import { ownCalls } from '../core/bundle-tool.js';
import type { Failure } from '../core/classify.js';
import type { KnownUsage, Usage } from '../core/usage.js';
import { limitsCost } from './admission.js';
import type { Call } from './call.js';

/**
 * What a settled call counts as: what its tool reported, else what it charged, else nothing where it certainly did
 * nothing, else its reservation, marked as estimated.
 *
 * @param outcome undefined: the call was left behind.
 */
export function settledUsage(
  call: Call,
  outcome: ToolCallOutcome | undefined,
  failure: Failure | undefined,
): Usage {
  const calls = outcome?.kind === 'refused' || outcome?.kind === 'unwanted' ? 0 : 1;
  const reported = outcome && 'usage' in outcome ? outcome.usage.usage : undefined;
  const own = outcome?.kind === 'answered' ? ownCalls(call.tool, outcome.content) : undefined;
  if (reported) return { ...priced(call, reported), calls: own ?? calls };
  const { charged } = call;
  const isKnown = outcome !== undefined && !call.aborted;
  const didNothing = isKnown && outcome.kind === 'threw' && failure?.precedesExecution === true;
  if (calls === 0 || didNothing) return { ...charged, calls };
  if (isKnown && call.nested) return { ...charged, calls };
  if (isKnown && (charged.totalTokens > 0 || charged.costUsd > 0)) {
    call.host.estimates.learn(call.tool, {
      ...charged,
      costUsd: charged.costUsd > 0 ? charged.costUsd : undefined,
    });
    return { ...charged, calls };
  }
  return estimated(call, calls);
}

/** The tool's own figures; where they are below what it charged, the charges stand. */
function priced(call: Call, reported: KnownUsage): Usage {
  const { charged, x, tool, host } = call;
  const isUnpriced = reported.costUsd === undefined && limitsCost(x);
  const isRefused = isUnpriced && x.spec.config.unpriced === 'refuse';
  if (isUnpriced && !isRefused) host.admission.warnUnpriced(x, tool);
  // What must not count as free counts as what was reserved for it.
  const unpriced = isRefused ? call.grant.allowance.reserved.costUsd : 0;
  const costUsd = reported.costUsd ?? Math.max(charged.costUsd, unpriced);
  host.estimates.learn(tool, reported);
  if (reported.totalTokens < charged.totalTokens || costUsd < charged.costUsd) {
    x.warn(
      'usage_below_charges',
      `"${tool.name}" reported less usage than it had charged; the charges stand.`,
    );
  }
  const isMore = reported.totalTokens >= charged.totalTokens;
  return {
    inputTokens: isMore ? reported.inputTokens : charged.inputTokens,
    outputTokens: isMore ? reported.outputTokens : charged.outputTokens,
    totalTokens: Math.max(reported.totalTokens, charged.totalTokens),
    costUsd: Math.max(costUsd, charged.costUsd),
    calls: 1,
    estimated: isRefused,
  };
}

/** Unknown usage counts as the reservation, less what nested runs used of it. */
function estimated(call: Call, calls: number): Usage {
  const { charged } = call;
  // Nested runs are counted by themselves, out of the same reservation.
  const { reservedForOwn: reserved } = call.grant.allowance;
  warnIfEverything(call);
  return {
    inputTokens: charged.inputTokens,
    outputTokens: charged.outputTokens,
    totalTokens: Math.max(charged.totalTokens, reserved.tokens),
    costUsd: Math.max(charged.costUsd, reserved.costUsd),
    calls,
    estimated: true,
  };
}

/** A tool that neither estimates nor reports can use up a budget with one call: that must not stay a riddle. */
function warnIfEverything({ x, tool, host, grant }: Call): void {
  const { reserved } = grant.allowance;
  if (tool.estimate || host.estimates.mostUsed(tool) !== undefined || x.spec.accounts.length === 0) return;
  if (reserved.tokens === 0 && reserved.costUsd === 0) return;
  x.warn(
    'usage_unknown',
    `The usage of "${tool.name}" is unknown, so its call counts as all that was left of the budget. ` +
      'Give the tool an `estimate`, or report its usage with `toolResult` (or as `usage` of what it throws).',
  );
}
