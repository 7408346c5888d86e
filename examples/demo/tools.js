import { BundleTool, defineTool } from 'troupe';
import * as z from 'zod';
import { complete, estimateCall } from './chat-api.js';

/** @typedef {import('./chat-api.js').Model} Model */

/**
 * A chat model behind an OpenAI-compatible API, as a tool. Its provider, the key of its breaker, is its name.
 *
 * @param {Model & { name: string, description: string }} definition
 */
export function chatTool({ name, description, ...model }) {
  return defineTool({
    name,
    description,
    capabilities: ['chat'],
    input: z.object({ type: z.literal('chat'), prompt: z.string().min(1) }),
    output: z.string().min(1),
    estimate: ({ prompt }) => estimateCall(model.model, prompt),
    execute: ({ prompt }, _options, { signal }) => complete(model, prompt, signal),
  });
}

/**
 * The same question several times over: Troupe asks as often as the votes require, and no more.
 *
 * @extends {BundleTool<{ type: 'vote', prompt: string }, string>}
 */
export class VoteTool extends BundleTool {
  name = 'vote';
  description = 'Many short answers of one model, and what they agree on.';
  capabilities = ['vote'];
  input = z.object({ type: z.literal('vote'), prompt: z.string().min(1) });
  /** Of one answer. "5 cents." is a vote for "5 cents". */
  output = z.string().transform(bare).pipe(z.string().min(1));
  #model;

  /** @param {Model & { provider: string }} definition The provider's breaker and pool are shared with its other tools. */
  constructor({ provider, ...model }) {
    super();
    this.provider = provider;
    this.#model = model;
  }

  /** @param {{ prompt: string }} request @returns what one replicate may use */
  estimate({ prompt }) {
    return estimateCall(this.#model.model, prompt);
  }

  /**
   * One vote. At temperature 0, or without a seed of its own, it would be no independent one.
   *
   * @param {{ prompt: string }} request
   * @param {import('troupe').ReplicateDraw} draw
   * @param {import('troupe').ToolContext} context
   */
  replicate({ prompt }, { seed }, { signal }) {
    return complete(this.#model, prompt, signal, { seed, temperature: 1 });
  }
}

/** @param {string} answer */
function bare(answer) {
  return answer.trim().replace(/\.$/, '').toLowerCase();
}
