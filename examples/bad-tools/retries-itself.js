// Fault: it tries again by itself, on top of what Troupe does.
import { defineTool } from 'troupe';

/** @throws {Error} where there is no answer in it. */
function answerIn({ choices }) {
  const text = choices?.[0]?.message?.content;
  if (typeof text !== 'string') throw new Error('There is no answer in what the model gave.');
  return text;
}

export default defineTool({
  name: 'retries_itself',
  async execute({ question = 'Why?' }, _options, { signal, idempotencyKey }) {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch('https://api.example/v1/chat/completions', {
        method: 'POST',
        headers: { 'idempotency-key': idempotencyKey },
        body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
        signal,
      });
      if (response.ok) return answerIn(await response.json());
      if (attempt === 3)
        throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
    }
  },
});
