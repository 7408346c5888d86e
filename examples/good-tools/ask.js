// Asks an OpenAI-compatible model and streams what it says. The whole of what a tool over HTTP has to care for.
import { defineTool, toolResult } from 'troupe';

const MAX_ANSWER_TOKENS = 200;

class ProviderError extends Error {
  constructor(response) {
    super(`The model answered ${response.status}`);
    this.name = 'ProviderError';
    // Troupe decides by these whether and when to call again.
    this.status = response.status;
    this.headers = response.headers;
    this.usage = { totalTokens: 0, costUsd: 0 };
  }
}

export default defineTool({
  name: 'ask',
  provider: 'openai',
  // A token is about four letters; better to reserve a little too much.
  estimate: ({ question = '' }) => ({
    tokens: Math.ceil(question.length / 3) + 10 + MAX_ANSWER_TOKENS,
    costUsd: 0.001,
  }),

  async execute({ question = '' }, _options, { signal, emit, idempotencyKey }) {
    const response = await fetch(`${process.env.OPENAI_BASE_URL}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
        'idempotency-key': idempotencyKey,
      },
      body: JSON.stringify({
        model: 'gpt-4o-mini',
        max_tokens: MAX_ANSWER_TOKENS,
        stream: true,
        stream_options: { include_usage: true },
        messages: [{ role: 'user', content: question }],
      }),
      signal,
    });
    if (!response.ok) throw new ProviderError(response);

    let answer = '';
    let usage;
    let isWhole = false;
    for await (const data of eventsOf(response)) {
      if (data === '[DONE]') {
        isWhole = true;
        continue;
      }
      const chunk = JSON.parse(data);
      const text = chunk.choices?.[0]?.delta?.content ?? '';
      if (text !== '') emit({ type: 'delta', text });
      answer += text;
      usage = chunk.usage ?? usage;
    }
    if (!isWhole || answer === '') throw new Error('The model gave no whole answer.');
    return toolResult({ content: answer, usage: usage && costOf(usage) });
  },
});

/** The data of server-sent events, one by one. */
async function* eventsOf(response) {
  let rest = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line.startsWith('data: ')) yield line.slice('data: '.length).trim();
  }
}

function costOf({ prompt_tokens: inputTokens, completion_tokens: outputTokens }) {
  return { inputTokens, outputTokens, costUsd: (inputTokens * 0.15 + outputTokens * 0.6) / 1e6 };
}
