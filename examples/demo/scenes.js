import { setTimeout as sleep } from 'node:timers/promises';
import { Budget, isOrchestratorError, ReliableOrchestrator, Troupe } from 'troupe';
import { chatTool, VoteTool } from './tools.js';

const BAT_AND_BALL =
  'A bat and a ball cost $1.10 together. The bat costs $1.00 more than the ball. What does the ball cost? ' +
  'Answer in the form "12 cents", with nothing else.';

/**
 * The type of a request decides which tools are planned for it; the default is `chat`.
 *
 * @type {{ title: string, prompts: string[], awaitsBreaker?: boolean, type?: string, toolOptions?: import('troupe').JsonObject }[]}
 */
const SCENES = [
  { title: '1. A rate limit', prompts: ['What does the HTTP status 429, a rate limit, ask of a client?'] },
  {
    title: '2. An outage',
    prompts: ['What does a circuit breaker do?', 'What is a fallback model good for?'],
  },
  { title: '3. The recovery', prompts: ['What does a half-open breaker do?'], awaitsBreaker: true },
  {
    title: '4. A vote: the same question up to 10 times, until the answers are clear',
    prompts: [BAT_AND_BALL],
    type: 'vote',
    toolOptions: { k: 10, epsilon: 0.05 },
  },
];

/** So quick to open and to try again that a demo can show it; the defaults are 5 failures and a minute. */
const DEMO_RELIABILITY = {
  initialDelayMs: 200,
  breaker: { failures: 3, openMs: 2000, halfOpen: { probes: 1, successes: 1 } },
};

/**
 * @param {Awaited<ReturnType<typeof import('./endpoint.js').connect>>} endpoint
 * @param {import('./view.js').View} view
 * @param {AbortSignal} signal
 * @returns {Promise<number>} the exit code
 */
export async function playScenes({ baseUrl, apiKey, models, isStandIn }, view, signal) {
  const description = isStandIn ? 'a stand-in on loopback, which fails on purpose' : 'set by OPENAI_BASE_URL';
  view.note(`Models at ${baseUrl} (${description}): ${models.frontier}, ${models.fallback}`);

  const frontier = { model: models.frontier, baseUrl, apiKey };
  const fallback = { model: models.fallback, baseUrl, apiKey };
  const troupe = new Troupe({
    tools: [
      chatTool({ name: 'frontier-model', description: 'Good and dear.', ...frontier }),
      chatTool({ name: 'fallback-model', description: 'Cheap.', ...fallback }),
      new VoteTool({ provider: 'fallback-model', ...fallback }),
    ],
    ...(isStandIn ? { reliability: DEMO_RELIABILITY } : {}),
  });
  const orchestrator = new ReliableOrchestrator({ troupe });
  const budget = new Budget({ tokens: 5000, costUsd: 0.05 });
  const watching = watchBreakers(troupe, view);

  /** @type {import('troupe').OrchestrationOutput | undefined} */
  let last;
  try {
    for (const { title, prompts, awaitsBreaker, type = 'chat', toolOptions = {} } of SCENES) {
      view.scene(title);
      if (awaitsBreaker) await untilDue(troupe.breaker('frontier-model'), view, signal);
      for (const prompt of prompts) {
        view.ask(prompt);
        const run = orchestrator.start({
          request: { type, prompt },
          toolOptions,
          options: { budget, timeoutMs: 60_000, onLimit: 'return' },
          signal,
        });
        for await (const event of run.events) view.event(event);
        last = await run.output.catch(outputOf);
        view.output(last, run.id, budget);
        if (last.error) return signal.aborted ? 130 : 1;
      }
    }
    return signal.aborted ? 130 : 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    return 130;
  } finally {
    await troupe.close();
    await watching;
    view.end(last, budget);
  }
}

/** Breakers outlive runs, so they are watched on the troupe. Ends when it is closed. */
async function watchBreakers(
  /** @type {Troupe<any>} */ troupe,
  /** @type {import('./view.js').View} */ view,
) {
  for await (const event of troupe.events) if (event.type === 'breaker_changed') view.breaker(event);
}

/** Waits until an open breaker would let a probe through. */
async function untilDue(
  /** @type {import('troupe').BreakerControl} */ breaker,
  /** @type {import('./view.js').View} */ view,
  /** @type {AbortSignal} */ signal,
) {
  const { openUntil } = breaker.snapshot();
  if (openUntil === null) return;
  const ms = Math.max(0, openUntil - Date.now()) + 20;
  view.note(`The breaker is open for another ${(ms / 1000).toFixed(2)} s; then one call may try.`);
  await sleep(ms, undefined, { signal });
}

/** A run that was cancelled rejects, and the error says what it cost. @param {unknown} error */
function outputOf(error) {
  if (isOrchestratorError(error) && error.output) {
    return /** @type {import('troupe').OrchestrationOutput} */ (error.output);
  }
  throw error;
}
