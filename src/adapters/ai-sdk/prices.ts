import type { Tokens } from './tokens.js';

/** US dollars per million tokens. */
export interface ModelPrices {
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
  /** Of input read from the provider's cache. Default: `inputPerMillion`. */
  readonly cachedInputPerMillion?: number;
  /** Of input written to the provider's cache. Default: `inputPerMillion`. */
  readonly cacheWritePerMillion?: number;
  /** Of reasoning. Default: `outputPerMillion`. */
  readonly reasoningPerMillion?: number;
}

/** What a price function is asked about. */
export interface PricedCall {
  /** The model that answered, as the provider names it; of an estimate, the one that will be asked. */
  readonly modelId: string;
  /** The model that was asked. */
  readonly requestedModelId: string;
  readonly tokens: Tokens;
  /** The provider's own usage, where the SDK passes it on. Some say there what the call cost. */
  readonly raw?: unknown;
  /** True before the call: the tokens are a guess. */
  readonly isEstimate: boolean;
}

/**
 * Prices of one model, a table of them by the model's id, or a function that gives the dollars of a call. Where they know no
 * price (not in the table; undefined), the cost is not reported, and the run's `unpriced` decides.
 */
export type Prices =
  ModelPrices | Readonly<Record<string, ModelPrices>> | ((call: PricedCall) => number | undefined);

/**
 * The dollars of a call; undefined where the price is not known.
 *
 * @throws what a price function throws.
 */
export function costOf(prices: Prices | undefined, call: PricedCall): number | undefined {
  if (prices === undefined) return undefined;
  if (typeof prices === 'function') return prices(call);
  const found = isModelPrices(prices)
    ? prices
    : (entry(prices, call.modelId) ?? entry(prices, call.requestedModelId));
  return found && priced(found, call.tokens);
}

/** A name of a model is never one of these. */
export function isModelPrices(prices: object): prices is ModelPrices {
  return 'inputPerMillion' in prices || 'outputPerMillion' in prices;
}

function entry(table: Readonly<Record<string, ModelPrices>>, id: string): ModelPrices | undefined {
  return Object.hasOwn(table, id) ? table[id] : undefined;
}

function priced(prices: ModelPrices, tokens: Tokens): number {
  const { inputPerMillion, outputPerMillion } = prices;
  const { cacheReadTokens, cacheWriteTokens, reasoningTokens } = tokens;
  // Some providers count the parts beside the whole, not in it: then nothing of the whole is left over.
  const plainInput = Math.max(0, tokens.inputTokens - cacheReadTokens - cacheWriteTokens);
  const plainOutput = Math.max(0, tokens.outputTokens - reasoningTokens);
  const dollars =
    plainInput * inputPerMillion +
    cacheReadTokens * (prices.cachedInputPerMillion ?? inputPerMillion) +
    cacheWriteTokens * (prices.cacheWritePerMillion ?? inputPerMillion) +
    plainOutput * outputPerMillion +
    reasoningTokens * (prices.reasoningPerMillion ?? outputPerMillion);
  return dollars / 1e6;
}
