// Fault (a warning): its provider never gets to know the idempotency key.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'no_idempotency_key',
  async execute({ question = 'Why?' }, _options, { signal }) {
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
      signal,
    });
    if (!response.ok)
      throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
    const { choices } = await response.json();
    if (!choices) throw new Error('There is no answer in what the model gave.');
    return choices[0].message.content;
  },
});
