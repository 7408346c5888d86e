import { Tool, toolResult } from 'troupe';

/** A tool as a service would have it: one call to a model over HTTP, with what it cost. */
export class Summarise extends Tool {
  name = 'summarise';

  /** @param {{ fetch?: typeof globalThis.fetch }} [ports] tests give a `fetch` of their own. */
  constructor({ fetch = globalThis.fetch } = {}) {
    super();
    this.fetch = fetch;
  }

  estimate() {
    return { tokens: 500, costUsd: 0.01 };
  }

  async execute({ text }, _options, { signal, idempotencyKey }) {
    const response = await this.fetch('https://model.example/v1/summaries', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ text }),
      signal,
    });
    // Status and headers tell Troupe whether, and when, another call is worth it.
    if (!response.ok) {
      const { status, headers } = response;
      throw Object.assign(new Error(`The model answered ${status}.`), { status, headers });
    }
    const { summary, tokens } = await response.json();
    return toolResult({ content: summary, usage: { totalTokens: tokens, costUsd: tokens * 2e-5 } });
  }
}
