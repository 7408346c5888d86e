import { estimateBundle, parseBundleOptions, pickBundleOptions } from '../core/bundle-options.js';
import { isSupervised } from '../core/bundle-tool.js';
import { settled } from '../core/callbacks.js';
import { copyJson, type JsonObject, type JsonValue } from '../core/json.js';
import { isThenable } from '../core/ports.js';
import { checkSchema } from '../core/schema.js';
import { describeError } from '../core/errors.js';
import type { AnyTool, Estimate } from '../core/tool.js';
import type { KnownUsage } from '../core/usage.js';
import type { AttemptRecord } from './attempt-record.js';

/** What calls are expected to use: the tools' own estimates, and what was learned from their calls. */
export class Estimates {
  /** The most a call of a tool has used. Of tools without `estimate` it is what the next call reserves. */
  private readonly most = new WeakMap<AnyTool, { tokens: number; costUsd: number | undefined }>();

  mostUsed(tool: AnyTool): { readonly tokens: number; readonly costUsd: number | undefined } | undefined {
    return this.most.get(tool);
  }

  learn(tool: AnyTool, used: KnownUsage): void {
    const before = this.most.get(tool);
    const costUsd = Math.max(before?.costUsd ?? -1, used.costUsd ?? -1);
    this.most.set(tool, {
      tokens: Math.max(before?.tokens ?? 0, used.totalTokens),
      costUsd: costUsd < 0 ? undefined : costUsd,
    });
  }

  /** The tool's estimate of a call; undefined when it does not say, or fails to. `failed` is told why. */
  of(
    tool: AnyTool,
    request: JsonValue,
    options: JsonObject,
    failed: (message: string) => void = () => {},
  ): Estimate | undefined {
    if (!tool.estimate) return undefined;
    try {
      const given: unknown = tool.estimate(offered(tool, request), options);
      const estimate = settled(given);
      if (given === undefined || given === null) return undefined;
      const known = readEstimate(estimate);
      if (!known)
        failed(`\`estimate\` of "${tool.name}" gave no amounts of at least 0; it is taken as unknown.`);
      return known;
    } catch (error) {
      const why = describeError(error).replace(/\.$/, '');
      failed(`\`estimate\` of "${tool.name}" threw: ${why}. It is taken as unknown.`);
      return undefined;
    }
  }

  /** For a plan: of a bundle tool, what all its replicates may use. */
  ofPlanned(tool: AnyTool, request: JsonValue, options: JsonObject): Estimate | undefined {
    const estimate = this.of(tool, request, options);
    if (estimate === undefined || !isSupervised(tool)) return estimate;
    try {
      return estimateBundle(estimate, parseBundleOptions(pickBundleOptions(options)));
    } catch {
      // Options that are wrong are reported when the bundle starts.
      return estimate;
    }
  }

  /** For a call of a run: warnings go into its stream. */
  ofCall(x: AttemptRecord, tool: AnyTool, options: JsonObject): Estimate | undefined {
    return this.of(tool, x.spec.request, options, (message) => x.warn('callback_failed', message));
  }
}

/** What `execute` would get, as far as that can be known without waiting. */
function offered(tool: AnyTool, request: JsonValue): unknown {
  for (const form of formsOf(tool, copyJson(request))) {
    const checked = checkSchema(tool.input, form);
    if (isThenable(checked)) return form;
    if (checked.ok) return checked.value;
  }
  return request;
}

/** What a request may be for a tool, best first: a text is passed as `{ query }`, unless `input` takes the text. */
export function formsOf(tool: AnyTool, request: JsonValue): JsonValue[] {
  if (typeof request !== 'string') return [request];
  return tool.input === undefined ? [{ query: request }] : [request, { query: request }];
}

function readEstimate(estimate: unknown): Estimate | undefined {
  if (typeof estimate !== 'object' || estimate === null) return undefined;
  const read: Partial<Record<'tokens' | 'costUsd' | 'ms', number>> = {};
  for (const key of ['tokens', 'costUsd', 'ms'] as const) {
    const value: unknown = (estimate as Estimate)[key];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return undefined;
    read[key] = value;
  }
  return read;
}
