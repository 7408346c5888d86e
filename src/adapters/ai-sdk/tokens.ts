import type { LanguageModelUsage } from 'ai';

/** What a call used, in tokens; a detail is 0 where the provider does not tell. */
export interface Tokens {
  /** All of the prompt, cached or not. */
  readonly inputTokens: number;
  /** All that was generated, reasoning included. */
  readonly outputTokens: number;
  readonly totalTokens: number;
  /** Of the input: read from the provider's cache. */
  readonly cacheReadTokens: number;
  /** Of the input: written to the provider's cache. */
  readonly cacheWriteTokens: number;
  /** Of the output: reasoning. */
  readonly reasoningTokens: number;
}

/**
 * Reads the SDK's usage; undefined where it does not tell both sides. Half a usage would count the other half as
 * free, so then the call counts as its reservation.
 */
export function readTokens(usage: LanguageModelUsage | undefined): Tokens | undefined {
  if (usage === undefined) return undefined;
  const total = amount(usage.totalTokens);
  const input = amount(usage.inputTokens) ?? rest(total, amount(usage.outputTokens));
  const output = amount(usage.outputTokens) ?? rest(total, amount(usage.inputTokens));
  if (input === undefined || output === undefined) return undefined;
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: Math.max(total ?? 0, input + output),
    cacheReadTokens: amount(usage.inputTokenDetails?.cacheReadTokens) ?? 0,
    cacheWriteTokens: amount(usage.inputTokenDetails?.cacheWriteTokens) ?? 0,
    reasoningTokens: amount(usage.outputTokenDetails?.reasoningTokens) ?? 0,
  };
}

function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

function rest(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined || part > total ? undefined : total - part;
}
