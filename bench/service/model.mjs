// A model that is slow and fails, for measuring: OpenAI's chat completions on loopback. A child of world.mjs, told by its
// arguments how: `model.mjs <shortest ms> <longest ms> <share that fails>`. The question holds a key, `key-17`; how often each
// was answered is told at /answered.
import { createServer } from 'node:http';

const [shortest, longest, failing] = process.argv.slice(2).map(Number);
/** By key: calls, and answers that were sent whole. */
const calls = new Map();
const answered = new Map();
const count = (counts, key) => counts.set(key, (counts.get(key) ?? 0) + 1);
let open = 0;
let most = 0;

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

function report() {
  const more = [...answered].filter(([, times]) => times > 1);
  return {
    calls: [...calls.values()].reduce((sum, times) => sum + times, 0),
    keys: answered.size,
    answeredTwice: more.map(([key]) => key),
    mostAtOnce: most,
  };
}

const server = createServer(async (request, response) => {
  if (request.url === '/answered') return void response.end(JSON.stringify(report()));
  let body;
  try {
    body = await bodyOf(request);
  } catch {
    return void request.destroy();
  }
  const [key = 'none'] = /key-[\w-]+/.exec(JSON.stringify(body.messages)) ?? [];
  count(calls, key);
  most = Math.max(most, ++open);
  const began = performance.now();
  response.on('close', () => (open -= 1));
  setTimeout(
    () => {
      if (response.destroyed) return;
      const chance = Math.random() / failing;
      if (chance < 0.3) return void request.socket.destroy();
      if (chance < 1) {
        response.writeHead(chance < 0.6 ? 500 : 503, { 'content-type': 'application/json' });
        return void response.end('{"error":{"message":"try again","type":"server_error"}}');
      }
      const took = performance.now() - began;
      const content = `${key} took ${took.toFixed(2)} ms`;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          id: key,
          object: 'chat.completion',
          created: 0,
          model: body.model,
          choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 50, completion_tokens: 10, total_tokens: 60 },
        }),
        () => count(answered, key),
      );
    },
    shortest + Math.random() * (longest - shortest),
  );
});
server.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
