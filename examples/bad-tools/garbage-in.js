// Fault: whatever the provider gives with status 200 is an answer to it.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'garbage_in',
  async execute({ question = 'Why?' }, _options, { signal, idempotencyKey }) {
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      headers: { 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }] }),
      signal,
    });
    if (!response.ok)
      throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
    const reply = await response.json();
    return reply.choices?.[0]?.message?.content;
  },
});
