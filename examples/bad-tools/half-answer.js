// Fault: it takes a stream that ends in the middle for a whole answer.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'half_answer',
  async execute({ question = 'Why?' }, _options, { signal, emit, idempotencyKey }) {
    const response = await fetch('https://api.example/v1/chat/completions', {
      method: 'POST',
      headers: { 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ stream: true, messages: [{ role: 'user', content: question }] }),
      signal,
    });
    if (!response.ok)
      throw Object.assign(new Error('refused'), { status: response.status, headers: response.headers });
    let answer = '';
    let rest = '';
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith('data: {')) continue;
        const text = JSON.parse(line.slice('data: '.length)).choices?.[0]?.delta?.content ?? '';
        if (text !== '') emit({ type: 'delta', text });
        answer += text;
      }
    }
    if (answer === '') throw new Error('There is no answer in what the model gave.');
    return answer;
  },
});
