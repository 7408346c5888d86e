import { Budget, type BudgetLimits } from '../core/budget.js';
import { parseArguments, type RunArguments } from '../runtime/arguments.js';
import type { Host } from '../runtime/host.js';
import type { StartNested } from './step.js';

/** Runs that tools start from within a call: in this process, as part of the step that the call is. */
export function startNestedIn(host: Host): StartNested {
  return async (call, nested, { signal, key, left }) => {
    const { x } = call;
    const given = parseArguments(host, nested as RunArguments, {
      isReliable: x.spec.isReliable,
      planner: x.spec.planner,
      retryLayers: x.spec.retryLayers,
    });
    const { deadlineAt } = x.context;
    const leftMs = deadlineAt === null ? Infinity : Math.max(1, deadlineAt - Date.now());
    const timeoutMs = Math.min(leftMs, given.config.timeoutMs ?? Infinity);
    const limits: BudgetLimits = {
      ...(left.tokens === Infinity ? {} : { tokens: Math.max(0, left.tokens) }),
      ...(left.costUsd === Infinity ? {} : { costUsd: Math.max(0, left.costUsd) }),
    };
    const run = host.starter.start({
      ...given,
      config: { ...given.config, timeoutMs: timeoutMs === Infinity ? undefined : Math.round(timeoutMs) },
      signal,
      ownsRetries: false,
      isNested: true,
      keyBase: key,
      traceId: x.spec.traceId,
      accounts: [...(Object.keys(limits).length === 0 ? [] : [new Budget(limits)]), ...given.accounts],
    });
    return run.output;
  };
}
