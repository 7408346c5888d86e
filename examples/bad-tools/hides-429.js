// Fault: it answers politely when its provider refuses it.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'hides_429',
  async execute({ question = 'Why?' }, _options, { signal, idempotencyKey }) {
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      headers: { 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
      signal,
    });
    if (response.status === 429) return 'Sorry, I am busy just now.';
    if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status });
    const { choices } = await response.json();
    if (!choices) throw new Error('There is no answer in what the model gave.');
    return choices[0].message.content;
  },
});
