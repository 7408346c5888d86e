import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { modelBundle, modelTool } from 'troupe/ai-sdk';
import * as z from 'zod';

/**
 * What callers may run.
 *
 * @param {ReturnType<typeof import('./settings.js').readSettings>} settings
 */
export function makeTools(settings) {
  const provider = createOpenAICompatible({
    name: 'model',
    baseURL: settings.MODEL_URL,
    ...(settings.MODEL_KEY === undefined ? {} : { apiKey: settings.MODEL_KEY }),
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  const shared = {
    model: provider(settings.MODEL),
    provider: 'model',
    prices: { inputPerMillion: settings.PRICE_IN, outputPerMillion: settings.PRICE_OUT },
    maxOutputTokens: 500,
  };
  return [
    modelTool({
      ...shared,
      name: 'answer',
      description: 'Answers a question.',
      instructions: 'Answer briefly.',
    }),
    modelBundle({
      ...shared,
      name: 'label',
      description: 'Asks several times whether a text is spam, and reduces the answers to evidence.',
      instructions: 'Say whether the mail is spam.',
      schema: z.object({ label: z.enum(['spam', 'ham']) }),
      k: 5,
      temperature: 1,
    }),
  ];
}
