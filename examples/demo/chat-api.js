import { toolResult } from 'troupe';

/** The longest answer a model may give; the estimate of a call reckons with all of it. */
const MAX_ANSWER_TOKENS = 200;

/**
 * US dollars per million tokens: [input, output]. A model that is not listed still works; its calls then count
 * tokens only, and the run carries a warning that says so.
 *
 * @type {Record<string, [input: number, output: number]>}
 */
const PRICES = {
  'stand-in-large': [5, 25],
  'stand-in-small': [0.25, 1.25],
  'gpt-4o': [2.5, 10],
  'gpt-4o-mini': [0.15, 0.6],
};

/**
 * @typedef {{ model: string, baseUrl: string, apiKey: string | undefined }} Model a model, and where to ask it
 * @typedef {{ prompt_tokens: number, completion_tokens: number }} ApiUsage
 * @typedef {{ model?: string, usage?: ApiUsage, choices?: { message?: { content?: string } }[] }} Completion
 */

/** What an OpenAI-compatible server said instead of an answer. Troupe judges it by `status`, `code` and `headers`. */
class ProviderError extends Error {
  /**
   * @param {Response} response
   * @param {{ message?: string, code?: string, type?: string }} [body] the `error` of the body, where there is one
   */
  constructor(response, body) {
    super(body?.message ?? `${response.status} ${response.statusText}`.trim());
    this.name = 'ProviderError';
    this.status = response.status;
    this.headers = response.headers;
    this.code = body?.code;
    this.type = body?.type;
    // Providers do not bill for an error; without this the call would count as all it had reserved.
    this.usage = { totalTokens: 0, costUsd: 0 };
  }
}

/** What a call may use at the most. @param {string} model @param {string} prompt */
export function estimateCall(model, prompt) {
  // A token is about four letters; better to reserve a little too much.
  return amounts(model, Math.ceil(prompt.length / 3) + 10, MAX_ANSWER_TOKENS);
}

/**
 * One call of an OpenAI-compatible API.
 *
 * @param {Model} model
 * @param {string} prompt
 * @param {AbortSignal} signal
 * @param {{ seed?: number, temperature?: number }} [sampling]
 */
export async function complete({ model, baseUrl, apiKey }, prompt, signal, sampling = {}) {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
    },
    body: JSON.stringify({
      model,
      max_tokens: MAX_ANSWER_TOKENS,
      messages: [{ role: 'user', content: prompt }],
      ...sampling,
    }),
    signal,
  });
  if (!response.ok) throw new ProviderError(response, await readError(response));
  const { choices, usage, model: answeredBy } = /** @type {Completion} */ (await response.json());
  return toolResult({
    content: choices?.[0]?.message?.content ?? '',
    ...(usage ? { usage: reportedUsage(model, usage) } : {}),
    metadata: { model: answeredBy },
  });
}

/** @param {Response} response */
async function readError(response) {
  try {
    return /** @type {any} */ (await response.json()).error;
  } catch {
    return undefined; // A proxy's page, or nothing: the status says enough.
  }
}

/** @param {string} model @param {ApiUsage} usage */
function reportedUsage(model, { prompt_tokens: inputTokens, completion_tokens: outputTokens }) {
  const { costUsd } = amounts(model, inputTokens, outputTokens);
  return { inputTokens, outputTokens, ...(costUsd === undefined ? {} : { costUsd }) };
}

/**
 * @param {string} model
 * @param {number} input
 * @param {number} output
 * @returns {{ tokens: number, costUsd?: number }}
 */
function amounts(model, input, output) {
  const price = PRICES[model];
  const tokens = input + output;
  return price ? { tokens, costUsd: (input * price[0] + output * price[1]) / 1e6 } : { tokens };
}
