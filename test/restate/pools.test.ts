import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Troupe } from '../../src/index.js';
import { ok, scriptedBundle, scriptedTool, slow } from '../../src/testing/index.js';
import { aServer, served, until } from './scene.js';

const scene = aServer();

/** How many slots of a pool are in use, and how many wait for one. */
async function poolOf(provider: string) {
  const rows = await scene.server.query(
    `select value_utf8 from state where service_name = 'TroupeProvider' and service_key = '${provider}'`,
  );
  const { slots, queue } = JSON.parse(String(rows[0]!['value_utf8']));
  return { slots: slots.length, queue: queue.length };
}

it.each(['deadline', 'cancel', 'bundle'] as const)(
  'runs that end early, by %s, at any moment, give back what was on its way to them',
  async (how) => {
    const provider = `ending early by ${how}`;
    const tools = [
      scriptedTool('t', [slow(30, ok(1))], { provider }),
      scriptedBundle('b', [slow(30, ok(1))], { provider }),
    ];
    const troupe = new Troupe({ tools: tools as never, pools: { [provider]: { size: 2 } } });
    await served(scene.server, troupe, async (client) => {
      const runs = [];
      for (let i = 0; i < 60; i++) {
        const ms = (i % 20) * 2;
        const run = client.start({
          toolName: how === 'bundle' ? 'b' : 't',
          request: {},
          ...(how === 'bundle' ? { toolOptions: { k: 3, stopping: 'fixed' } } : {}),
          options: how === 'cancel' ? {} : { timeoutMs: 5 + ms },
        });
        if (how === 'cancel') void run.invocation.then(() => setTimeout(() => run.cancel(), ms));
        runs.push(run.output.catch(() => undefined));
        await delay(15);
      }
      await Promise.all(runs);
      await until(async () => {
        const { slots, queue } = await poolOf(provider);
        return slots === 0 && queue === 0;
      }, 'every slot is free');
      expect((await client.run({ toolName: 't', request: {} })).content).toBe(1);
    });
  },
);
