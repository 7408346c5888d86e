import { afterEach, describe, expect, it } from 'vitest';
import { restateClient } from '../../src/restate/index.js';
import { Cluster } from './cluster.js';
import { aServer, until } from './scene.js';

const scene = aServer();
let cluster: Cluster;
afterEach(() => cluster.stop());

const quick = { initialDelayMs: 10, jitter: 'none' };
const call = (more: object = {}) => ({ toolName: 'model', request: {}, ...more });

async function aCluster(
  provider: string,
  troupe: object,
  count = 2,
): Promise<ReturnType<typeof restateClient>> {
  cluster = await Cluster.start(scene.server, count, { ...troupe, provider });
  return restateClient({ ingress: scene.server.ingress });
}

const usedBy = () => new Set(cluster.tools.calls.map(({ instance }) => instance));

describe('replicates', () => {
  it('are spread over the instances, and reduced in the order of their index', async () => {
    const client = await aCluster('spread', {});
    cluster.tools.answer = ({ index }) => ({ body: { index }, afterMs: 100 - 10 * index! });
    const output = await client.run({
      toolName: 'vote',
      request: {},
      toolOptions: { k: 10, stopping: 'fixed' },
    });
    const { replicates, meta } = (output.content as any).evidenceBundle;
    expect(replicates.map((each: any) => each.data.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(meta.seeds).toEqual([11, 23, 47, 59, 71, 83, 97, 113, 127, 139]);
    expect(usedBy()).toEqual(new Set(['i1', 'i2']));
  });
});

describe('a breaker', () => {
  it('that opened by calls of both instances refuses on both', async () => {
    const client = await aCluster('one for both', {
      reliability: { ...quick, maxRetries: 0, breaker: { failures: 4, openMs: 60_000 } },
    });
    cluster.tools.answer = () => ({ status: 503, body: { message: 'down' }, afterMs: 200 });
    const failed = await Promise.all(Array.from({ length: 4 }, () => client.run(call())));
    expect(failed.map(({ error }) => error?.code)).toEqual(['server', 'server', 'server', 'server']);
    expect(usedBy()).toEqual(new Set(['i1', 'i2']));
    // More runs than instances: each of them gets some.
    const refused = await Promise.all(Array.from({ length: 8 }, () => client.run(call())));
    expect(refused.map(({ error }) => error?.code)).toEqual(Array.from({ length: 8 }, () => 'breaker_open'));
    expect(cluster.tools.calls).toHaveLength(4);
  });

  it('that is half open admits three probes in all, and closes for both', async () => {
    const client = await aCluster('half open', {
      reliability: {
        ...quick,
        maxRetries: 0,
        breaker: { failures: 2, openMs: 2000, halfOpen: { probes: 3, successes: 3 } },
      },
    });
    cluster.tools.answer = () => ({ status: 503, body: { message: 'down' } });
    await client.run(call());
    await client.run(call());
    expect((await client.run(call())).error?.code).toBe('breaker_open');
    cluster.tools.answer = () => ({ body: 'up', afterMs: 600 });
    await new Promise((resolve) => setTimeout(resolve, 2050));
    const runs = Array.from({ length: 12 }, () => client.run(call()));
    await until(() => cluster.tools.calls.length === 5, 'three probes are in flight');
    const outputs = await Promise.all(runs);
    expect(cluster.tools.calls).toHaveLength(5);
    expect(outputs.filter(({ status }) => status === 'completed')).toHaveLength(3);
    expect(outputs.filter(({ error }) => error?.code === 'breaker_open')).toHaveLength(9);
    const later = await Promise.all(Array.from({ length: 4 }, () => client.run(call())));
    expect(later.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed', 'completed']);
  });
});

describe('a budget over a bundle on two instances', () => {
  it('is not overspent', async () => {
    const client = await aCluster('budget', {});
    cluster.tools.answer = () => ({ body: 'a', afterMs: 50 });
    // Each replicate reserves ten tokens, and says nothing of what it used.
    const run = client.start({
      toolName: 'vote',
      request: {},
      toolOptions: { k: 10, stopping: 'fixed' },
      options: { budget: { tokens: 85 }, onLimit: 'return' },
    });
    const output = await run.output;
    expect(output.status).toBe('budget_exceeded');
    expect(cluster.tools.calls).toHaveLength(8);
    expect(output.usage.totalTokens).toBe(80);
    expect(usedBy()).toEqual(new Set(['i1', 'i2']));
  });

  it('is waited for, where others may give back what they hold', async () => {
    const client = await aCluster('budget waits', {});
    cluster.tools.answer = () => ({ body: 'a', afterMs: 50 });
    const output = await client.run({
      toolName: 'vote',
      request: {},
      toolOptions: { k: 4, stopping: 'fixed' },
      options: { budget: { tokens: 40 } },
    });
    expect(output.status).toBe('completed');
    expect(output.usage.totalTokens).toBe(40);
  });
});

describe('a run that is cancelled', () => {
  it('during a back-off makes no further call', async () => {
    const client = await aCluster('back-off', { reliability: { ...quick, initialDelayMs: 20_000 } });
    cluster.tools.answer = () => ({ status: 503, body: { message: 'down' } });
    const run = client.start(call());
    for await (const event of run.events)
      if (event.type === 'retry_scheduled') run.cancel(new Error('no more'));
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'no more' } });
    expect(cluster.tools.calls).toHaveLength(1);
  });

  it('during a call aborts it, on whichever instance it is', async () => {
    const client = await aCluster('call', {});
    cluster.tools.answer = () => ({ body: 'late', afterMs: 60_000 });
    const runs = Array.from({ length: 4 }, () => client.start(call()));
    await until(() => cluster.tools.calls.length === 4, 'all calls are in flight');
    expect(usedBy()).toEqual(new Set(['i1', 'i2']));
    for (const run of runs) run.cancel();
    for (const run of runs) await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    await until(() => cluster.tools.calls.every(({ isAborted }) => isAborted), 'every call was aborted');
  });

  it('during a bundle aborts the calls of its replicates, from anywhere', async () => {
    const client = await aCluster('bundle', {});
    cluster.tools.answer = ({ index }) => ({ body: 'a', afterMs: index! < 2 ? 0 : 60_000 });
    const run = client.start({ toolName: 'vote', request: {}, toolOptions: { k: 8, stopping: 'fixed' } });
    await until(() => cluster.tools.calls.length === 8, 'all replicates are asked');
    // Another client, that knows nothing but the invocation.
    await restateClient({ ingress: scene.server.ingress }).cancel(await run.invocation, new Error('enough'));
    const error: any = await run.output.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } });
    expect(error.output.usage.calls).toBe(8);
    const { replicates } = error.output.content.evidenceBundle;
    expect(replicates.filter((each: any) => each.status === 'valid')).toHaveLength(2);
    expect(cluster.tools.calls.filter(({ isAborted }) => isAborted)).toHaveLength(6);
  });

  it('while it waits for a slot leaves the queue, and the slot goes to the next', async () => {
    const client = await aCluster('queue', { pools: { queue: { size: 1 } } });
    cluster.tools.answer = () => ({ body: 'done', afterMs: 700 });
    const first = client.start(call());
    await until(() => cluster.tools.calls.length === 1, 'the first has the slot');
    const second = client.start(call());
    await second.invocation;
    await until(
      async () => JSON.stringify(await providerState('queue')).includes('"queue":[{'),
      'the second waits in the queue',
    );
    const third = client.start(call());
    await third.invocation;
    second.cancel();
    await expect(second.output).rejects.toMatchObject({ code: 'cancelled' });
    expect((await first.output).status).toBe('completed');
    expect((await third.output).status).toBe('completed');
    expect(cluster.tools.calls).toHaveLength(2);
    await until(
      async () => JSON.stringify(await providerState('queue')).includes('"slots":[],"queue":[]'),
      'slot and queue are free',
    );
  });
});

async function providerState(provider: string): Promise<unknown> {
  const [row] = await scene.server.query(
    `select value_utf8 from state where service_name = 'TroupeProvider' and service_key = '${provider}'`,
  );
  return JSON.parse(String(row?.['value_utf8'] ?? 'null'));
}
