// The AI SDK with its own mock of a model.
import { generateText } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';

export function generate() {
  const model = new MockLanguageModelV3({
    doGenerate: async () => ({
      content: [{ type: 'text', text: 'fine' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 1, text: 1, reasoning: 0 },
      },
      warnings: [],
    }),
  });
  return async () => {
    const { text } = await generateText({ model, prompt: 'a question', maxRetries: 3 });
    return { ok: text === 'fine' };
  };
}
