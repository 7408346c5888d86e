import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { defineTool, Troupe, type PlanDecision } from '../../src/index.js';
import { restateClient, restateEndpoint } from '../../src/restate/index.js';
import { aServer } from './scene.js';

const scene = aServer();

const chain: PlanDecision = { strategy: 'chain', steps: [{ tool: 'first' }, { tool: 'second' }] };

/** Serves a chain of two tools, one after the other. */
async function aChain(first: (client: ReturnType<typeof restateClient>) => Promise<unknown>) {
  const client = restateClient({ ingress: scene.server.ingress });
  const calls: string[] = [];
  const called = (name: string) => () => void calls.push(name);
  const troupe = new Troupe({
    tools: [
      defineTool({ name: 'first', provider: 'quick', execute: () => first(client) }),
      defineTool({ name: 'second', provider: 'shared', execute: called('second') }),
      defineTool({
        name: 'failing',
        provider: 'shared',
        execute: () => {
          throw Object.assign(new Error('down'), { status: 503 });
        },
      }),
    ],
    reliability: { maxRetries: 0, breaker: { failures: 1, openMs: 60_000 } },
  });
  const endpoint = restateEndpoint(troupe, { planner: { plan: () => chain } });
  await scene.server.register(`http://127.0.0.1:${await endpoint.listen()}`);
  const run = client.start({ request: {} });
  const output = await run.output;
  const looks = await scene.server.query(
    `select count(*) as count from sys_journal where id = '${await run.invocation}' and entry_type = 'Command: Call'`,
  );
  await endpoint.close();
  await troupe.close();
  return { output, calls, looks: looks[0]!['count'] };
}

it('what was heard of a provider just now is not asked for again', async () => {
  const { output, looks } = await aChain(() => Promise.resolve());
  expect(output.status).toBe('completed');
  // Of each provider, before the plan.
  expect(looks).toBe(2);
});

it('a breaker that opened while an earlier step took its time is seen', async () => {
  const { output, calls, looks } = await aChain(async (client) => {
    const failed = await client.run({ toolName: 'failing', request: {} });
    expect(failed.status).toBe('failed');
    await delay(300);
  });
  expect(output.error?.code).toBe('breaker_open');
  expect(calls).toEqual([]);
  expect(looks).toBe(3);
});
