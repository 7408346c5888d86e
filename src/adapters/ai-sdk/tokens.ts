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
 * free, so then the call counts as its reservation. The SDK's total is no help: it is the sum of what it knows.
 */
export function readTokens(usage: LanguageModelUsage | undefined): Tokens | undefined {
  if (usage === undefined) return undefined;
  const input = amount(usage.inputTokens);
  const output = amount(usage.outputTokens);
  if (input === undefined || output === undefined) return undefined;
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: Math.max(amount(usage.totalTokens) ?? 0, input + output),
    cacheReadTokens: amount(usage.inputTokenDetails?.cacheReadTokens) ?? 0,
    cacheWriteTokens: amount(usage.inputTokenDetails?.cacheWriteTokens) ?? 0,
    reasoningTokens: amount(usage.outputTokenDetails?.reasoningTokens) ?? 0,
  };
}

function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}
