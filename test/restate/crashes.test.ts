import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { restateClient } from '../../src/restate/index.js';
import { seededRandom } from '../../src/testing/index.js';
import { Cluster, type SeenCall } from './cluster.js';
import { aServer, until } from './scene.js';

const scene = aServer();
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start(scene.server, 1);
});
afterEach(() => cluster.stop());

/** An answer is in the journal after so long, on a machine that does other things too. */
const WRITTEN_MS = 80;

/** Calls of one replicate, or of a tool, by key. */
function byKey(calls: readonly SeenCall[]): Map<string, SeenCall[]> {
  const found = new Map<string, SeenCall[]>();
  for (const call of calls) found.set(call.key, [...(found.get(call.key) ?? []), call]);
  return found;
}

const bundle = (key: string) => ({
  toolName: 'vote',
  request: { q: key },
  toolOptions: { k: 10, stopping: 'fixed' },
  options: { idempotencyKey: key },
});

describe('kill -9 of the service', () => {
  it('in the midst of a bundle of ten, at 20 random points: finished replicates are not called again', async () => {
    const random = seededRandom(8);
    const [instance] = cluster.instances;
    const client = restateClient({ ingress: scene.server.ingress });
    // So the kills fall on all of it: some replicates answer at once, some late.
    cluster.tools.answer = ({ index }) => ({ body: { vote: index! % 3 }, afterMs: 20 + 40 * index! });
    let repeated = 0;
    let spared = 0;
    for (let point = 0; point < 20; point++) {
      const key = `bundle ${point}`;
      const run = client.start(bundle(key));
      await delay(Math.round(20 + random() * 450));
      const killedAt = Date.now();
      // What had been answered, and had the time to get into the journal.
      const finished = cluster.tools.calls.filter(
        (call) => call.key.startsWith(`${key}:`) && (call.answeredAt ?? Infinity) < killedAt - WRITTEN_MS,
      );
      await instance!.kill();
      await instance!.start();
      const output = await run.output;
      expect(output.status).toBe('completed');
      const { evidenceBundle } = output.content as any;
      expect(evidenceBundle.replicates.map((each: any) => each.data)).toEqual(
        Array.from({ length: 10 }, (_, index) => ({ vote: index % 3 })),
      );
      const calls = byKey(cluster.tools.calls.filter((call) => call.key.startsWith(`${key}:`)));
      // Ten keys, whatever happened, and one answer that counts for each.
      expect([...calls.keys()].sort()).toEqual(Array.from({ length: 10 }, (_, index) => `${key}:${index}`));
      const again = [...calls.values()].filter((each) => each.length > 1);
      repeated += again.length;
      spared += finished.length;
      for (const { key: done } of finished) expect(calls.get(done)).toHaveLength(1);
      for (const each of again) expect(each).toHaveLength(2);
      expect(output.usage.calls).toBe(10);
    }
    // Or the kills fell on nothing.
    expect(repeated).toBeGreaterThan(5);
    expect(spared).toBeGreaterThan(20);
  }, 300_000);

  it('while one call is in flight repeats it under the same key', async () => {
    const [instance] = cluster.instances;
    const client = restateClient({ ingress: scene.server.ingress });
    cluster.tools.answer = () => ({ body: 'there', afterMs: cluster.tools.calls.length === 1 ? 60_000 : 0 });
    const run = client.start({ toolName: 'model', request: {}, options: { idempotencyKey: 'one call' } });
    await until(() => cluster.tools.calls.length === 1, 'the call is in flight');
    await instance!.kill();
    await instance!.start();
    expect((await run.output).content).toBe('there');
    expect(cluster.tools.calls.map((call) => call.key)).toEqual(['one call', 'one call']);
  });
});

describe('kill -9 of the Restate server', () => {
  it('at 5 points: the same key attaches to the result', async () => {
    const random = seededRandom(5);
    const client = restateClient({ ingress: scene.server.ingress });
    cluster.tools.answer = ({ index }) => ({ body: 'same', afterMs: 20 + 30 * (index ?? 0) });
    for (let point = 0; point < 5; point++) {
      const key = `server ${point}`;
      const run = client.start(bundle(key));
      await run.invocation;
      await delay(Math.round(random() * 400));
      await scene.server.kill();
      await scene.server.start();
      const output = await run.output;
      expect(output.status).toBe('completed');
      const made = cluster.tools.calls.length;
      // Another caller, another process as far as Restate knows.
      const again = await restateClient({ ingress: scene.server.ingress }).run(bundle(key));
      expect(again.metadata.replayed).toBe(true);
      expect(again.content).toEqual(output.content);
      expect(cluster.tools.calls.length).toBe(made);
    }
  }, 120_000);
});
