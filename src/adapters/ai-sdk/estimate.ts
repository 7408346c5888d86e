import type { Estimate } from '../../index.js';
import { costOf, type PricedCall, type Prices } from './prices.js';
import type { ModelPrompt } from './prompt.js';

/** What an answer is taken to need where `maxOutputTokens` does not say. */
const ASSUMED_OUTPUT_TOKENS = 4096;
/** Three bytes of UTF-8 a token: English has more, most other scripts about as many. */
const BYTES_PER_TOKEN = 3;
const MARGIN_PERCENT = 10;
/** For roles and separators. */
const TOKENS_PER_MESSAGE = 16;
/** An image, or a page of a document: what most providers count for one, about. */
const TOKENS_PER_FILE = 1500;

export interface Expected {
  readonly prompt: ModelPrompt;
  readonly instructions: string | undefined;
  /** JSON Schema of the answer, as text. */
  readonly schemaText: string;
  readonly maxOutputTokens: number | undefined;
  readonly modelId: string;
  readonly prices: Prices | undefined;
}

/** What a call reserves: a guess of the prompt, on the high side, and all that the answer may have. */
export function estimateCall(expected: Expected): Estimate {
  const { prompt, instructions = '', schemaText, modelId, prices } = expected;
  const size = sizeOf(prompt);
  const bytes = size.bytes + bytesOf(instructions) + bytesOf(schemaText);
  const textTokens = Math.ceil((bytes * (100 + MARGIN_PERCENT)) / (BYTES_PER_TOKEN * 100));
  const inputTokens = textTokens + size.messages * TOKENS_PER_MESSAGE + size.files * TOKENS_PER_FILE;
  const outputTokens = expected.maxOutputTokens ?? ASSUMED_OUTPUT_TOKENS;
  const totalTokens = inputTokens + outputTokens;
  const tokens = {
    inputTokens,
    outputTokens,
    totalTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
  const costUsd = guessCost(prices, { modelId, requestedModelId: modelId, tokens, isEstimate: true });
  return { tokens: totalTokens, ...(costUsd === undefined ? {} : { costUsd }) };
}

/** A price function that fails must not cost the estimate of the tokens, or the call would reserve all that is left. */
function guessCost(prices: Prices | undefined, call: PricedCall): number | undefined {
  try {
    const costUsd = costOf(prices, call);
    return Number.isFinite(costUsd) && costUsd! >= 0 ? costUsd : undefined;
  } catch {
    return undefined;
  }
}

function sizeOf(prompt: ModelPrompt): { bytes: number; messages: number; files: number } {
  // One more for the instructions.
  if (typeof prompt === 'string') return { bytes: bytesOf(prompt), messages: 2, files: 0 };
  const size = { bytes: 0, messages: prompt.length + 1, files: 0 };
  for (const { content } of prompt) {
    if (typeof content === 'string') {
      size.bytes += bytesOf(content);
      continue;
    }
    for (const part of content) {
      if (part.type === 'text' || part.type === 'reasoning') {
        size.bytes += bytesOf(part.text);
        continue;
      }
      const text = JSON.stringify(part, (key, value: unknown) => {
        if (key !== 'data' && key !== 'image') return value;
        size.files += 1;
        return undefined;
      });
      size.bytes += bytesOf(text);
    }
  }
  return size;
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}
