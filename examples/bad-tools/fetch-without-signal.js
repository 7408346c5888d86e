// Fault: its request does not know the signal, so a provider that says nothing holds it for ever.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'fetch_without_signal',
  async execute({ question = 'Why?' }, _options, { signal, idempotencyKey }) {
    signal.throwIfAborted();
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      headers: { 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
    });
    if (!response.ok)
      throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
    const { choices } = await response.json();
    if (!choices) throw new Error('There is no answer in what the model gave.');
    return choices[0].message.content;
  },
});
