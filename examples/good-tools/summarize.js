// Schemas say what comes in and what goes out, `estimate` what it will cost at the most.
import { setTimeout as sleep } from 'node:timers/promises';
import { Tool, toolResult } from 'troupe';
import * as z from 'zod';

export default class Summarize extends Tool {
  name = 'summarize';
  version = '2.0.0';
  input = z.object({ text: z.string(), words: z.int().min(1).default(5) });
  output = z.object({ summary: z.string(), words: z.int() });

  estimate({ text = '' }) {
    return { tokens: text.length + 50, costUsd: 0.002 };
  }

  async execute({ text, words }, _options, { signal }) {
    await sleep(60, undefined, { signal });
    const kept = text.split(/\s+/).slice(0, words);
    return toolResult({
      content: { summary: kept.join(' '), words: kept.length },
      usage: { inputTokens: text.length, outputTokens: kept.length, costUsd: 0.001 },
    });
  }
}
