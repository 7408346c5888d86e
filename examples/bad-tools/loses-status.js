// Fault: what it throws does not say what the provider said.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'loses_status',
  async execute({ question = 'Why?' }, _options, { signal, idempotencyKey }) {
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      headers: { 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
      signal,
    });
    if (!response.ok) throw new Error('The model could not be asked.');
    const { choices } = await response.json();
    if (!choices) throw new Error('There is no answer in what the model gave.');
    return choices[0].message.content;
  },
});
