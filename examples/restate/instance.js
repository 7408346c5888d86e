// One instance: a Troupe, served to a Restate server. Start as many as you like, all with the same tools.
import { setTimeout as delay } from 'node:timers/promises';
import { BundleTool, defineTool, toolResult, Troupe } from 'troupe';
import { restateEndpoint } from 'troupe/restate';

const { INSTANCE = 'a', PORT = '9081' } = process.env;

/** Where another process started this one, it is told of each call. Your tools need nothing of the kind. */
const tell = (what) => process.send?.({ instance: INSTANCE, ...what });

/** What went wrong, and what it cost: nothing. */
const failure = (status) =>
  Object.assign(new Error(`The model answered ${status}.`), { status, usage: { totalTokens: 0 } });

/** Stands for a model that is often busy: the first call of a run fails. */
const ask = defineTool({
  name: 'ask',
  provider: 'model',
  estimate: () => ({ tokens: 50, costUsd: 0.001 }),
  async execute({ question }, _options, { attempt, signal, idempotencyKey }) {
    tell({ call: idempotencyKey });
    await delay(100, undefined, { signal });
    if (attempt === 1) throw failure(503);
    const content = { answer: `You asked: ${question}`, instance: INSTANCE };
    return toolResult({ content, usage: { totalTokens: 12, costUsd: 0.0002 } });
  },
});

/** Stands for a model that is away. */
const away = defineTool({
  name: 'away',
  provider: 'other-model',
  execute() {
    throw failure(500);
  },
});

/** Asks the same question several times. Each replicate says on which instance it works. */
class Vote extends BundleTool {
  name = 'vote';
  provider = 'model';
  async replicate({ thinkMs = 100 }, { id }, { emit, signal, idempotencyKey }) {
    tell({ call: idempotencyKey, replicate: id });
    emit({ type: 'where', instance: INSTANCE });
    await delay(thinkMs, undefined, { signal });
    return '5 cents';
  }
}

const look = defineTool({ name: 'look', execute: (_request, options) => options });

/** Plans for requests that name no tool: it says which instance made the plan, and how that one sees the breaker. */
const planner = {
  plan: (_request, _tools, { breakers }) => ({
    tool: 'look',
    toolOptions: { instance: INSTANCE, breaker: breakers['other-model'] },
  }),
};

const troupe = new Troupe({
  tools: [ask, away, new Vote(), look],
  reliability: { initialDelayMs: 100, providers: { 'other-model': { breaker: { failures: 3 } } } },
});
const endpoint = restateEndpoint(troupe, { planner });
const port = await endpoint.listen(Number(PORT));
console.log(`Instance ${INSTANCE} listens on 127.0.0.1:${port}.`);
tell({ port });

process.on('SIGTERM', async () => {
  await endpoint.close();
  await troupe.close();
  process.exit(0);
});
