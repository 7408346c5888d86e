import { setTimeout as sleep } from 'node:timers/promises';
import { LLMock } from '@copilotkit/aimock';

/** The names of the two models it knows. */
export const STAND_IN_MODELS = { frontier: 'stand-in-large', fallback: 'stand-in-small' };

/** How the large model's calls go, in order; after the last one all is well. */
const TROUBLE = ['rate limited', 'well', 'down', 'down', 'down'];

const RATE_LIMITED = {
  status: 429,
  retryAfter: 1,
  error: { message: 'Rate limit reached.', type: 'requests', code: 'rate_limit_exceeded' },
};

const DOWN = {
  status: 503,
  error: { message: 'The server is overloaded.', type: 'server_error', code: 'server_error' },
};

/** @type {[about: RegExp, answer: string][]} */
const ANSWERS = [
  [
    /rate limit/i,
    'Too many requests arrived at once. Wait as long as the provider asks, then send the same request again.',
  ],
  [
    /circuit breaker/i,
    'It stops calling a service that keeps failing, so that callers fail fast and the service can recover.',
  ],
  [
    /fallback/i,
    'A second choice that answers when the first cannot: often smaller, and always better than silence.',
  ],
  [
    /half-open/i,
    'A few trial calls are let through. If they succeed the breaker closes; if not, it opens again.',
  ],
];

/**
 * A model server on loopback: real HTTP, the API of OpenAI, and failures in a fixed order. It stands in for a
 * provider, so that the demo needs no key and no internet.
 */
export async function startStandIn() {
  const server = new LLMock({ host: '127.0.0.1', port: 0 });
  let calls = 0;

  server.on({ endpoint: 'chat', model: STAND_IN_MODELS.frontier }, async (request) => {
    const how = TROUBLE[calls++] ?? 'well';
    await sleep(how === 'well' ? 300 : 80);
    if (how === 'rate limited') return RATE_LIMITED;
    return how === 'down' ? DOWN : answer(request);
  });

  server.on({ endpoint: 'chat', model: STAND_IN_MODELS.fallback }, async (request) => {
    const { seed } = request;
    if (typeof seed === 'number') return vote(seed);
    await sleep(150);
    return answer(request);
  });

  const origin = await server.start();
  return { url: `${origin}/v1`, stop: () => server.stop() };
}

/** @param {import('@copilotkit/aimock').ChatCompletionRequest} request */
function answer({ messages }) {
  const prompt = String(messages.at(-1)?.content);
  const [, content = 'I am only a stand-in.'] = ANSWERS.find(([about]) => about.test(prompt)) ?? [];
  return { content };
}

/** One draw of the small model: most think before they answer, one in seven says what comes to mind. @param {number} seed */
async function vote(seed) {
  await sleep(100 + ((seed * 13) % 400));
  return { content: seed % 7 === 5 ? '10 cents' : '5 cents' };
}
