import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Troupe, type RunEvent } from '../../src/index.js';
import { restateClient, restateEndpoint } from '../../src/restate/index.js';
import { fail, hang, ok, scriptedTool, slow, type ScriptStep } from '../../src/testing/index.js';
import { aServer, served, until } from './scene.js';

const scene = aServer();
let names = 0;

/** A client of a Troupe with one tool, named `t`. */
async function withTool<T>(
  script: readonly ScriptStep[],
  work: (client: ReturnType<typeof restateClient>, tool: ReturnType<typeof scriptedTool>) => Promise<T>,
): Promise<T> {
  const tool = scriptedTool('t', script, { provider: `client ${++names}` });
  const reliability = { maxRetries: 0, breaker: false } as const;
  return served(scene.server, new Troupe({ tools: [tool] as never, reliability }), (client) =>
    work(client, tool),
  );
}

/** Stands before the ingress, and may keep what comes to itself. */
async function aProxy() {
  const sockets = new Set<Socket>();
  let isHeld = false;
  const { port: to, hostname } = new URL(scene.server.ingress);
  const server = createTcpServer((near) => {
    const far = connect(Number(to), hostname);
    for (const each of [near, far]) sockets.add(each.on('error', () => {}));
    near.on('data', (chunk) => void (isHeld || far.write(chunk)));
    far.on('data', (chunk) => void (isHeld || near.write(chunk)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => void (isHeld = true),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const asked = (more: object = {}) => ({ toolName: 't', request: { q: 1 }, ...more });
const keyed = (idempotencyKey: string, more: object = {}) => asked({ options: { idempotencyKey, ...more } });

describe('an idempotency key', () => {
  const keys = {
    'with spaces': ' a key  ',
    'with an emoji': 'clé 🗝️ 鍵',
    'with line breaks': 'a\r\nb\n\tc\u0000',
    'of 512 characters': '鍵'.repeat(512),
    'with a lone surrogate': 'a\ud800b',
    'like another one, encoded': encodeURIComponent('clé 🗝️ 鍵'),
    'like another generation': 'a#1',
  };
  for (const [name, key] of Object.entries(keys)) {
    it(`may be a text ${name}`, async () => {
      await withTool([(call) => call.number], async (client, tool) => {
        const first = await client.run(keyed(key));
        const second = await client.run(keyed(key));
        expect([first.content, first.metadata.replayed]).toEqual([1, false]);
        expect([second.content, second.metadata.replayed]).toEqual([1, true]);
        expect(tool.calls).toHaveLength(1);
      });
    });
  }

  it('that was used for another request is a conflict, in flight and afterwards', async () => {
    await withTool([slow(200, ok(1))], async (client, tool) => {
      const first = client.start(keyed('conflict'));
      await first.invocation;
      const other = { ...keyed('conflict'), request: { q: 2 } };
      await expect(client.run(other)).rejects.toMatchObject({ name: 'ConflictError', code: 'conflict' });
      expect((await first.output).content).toBe(1);
      await expect(client.run(other)).rejects.toMatchObject({ name: 'ConflictError' });
      expect(tool.calls).toHaveLength(1);
    });
  });

  it('is free again after failures', async () => {
    await withTool([fail(400), fail(401), ok('third')], async (client, tool) => {
      const outputs = [];
      for (let run = 0; run < 4; run++) outputs.push(await client.run(keyed('after failures')));
      expect(outputs.map(({ status }) => status)).toEqual(['failed', 'failed', 'completed', 'completed']);
      expect(outputs.map(({ metadata }) => metadata.replayed)).toEqual([false, false, false, true]);
      expect(tool.calls).toHaveLength(3);
    });
  });

  it('is free again after its invocation was killed', async () => {
    await withTool([hang(), ok('second')], async (client, tool) => {
      const first = client.start(keyed('killed'));
      await until(() => tool.calls.length === 1, 'the call was made');
      const killed = await fetch(`${scene.server.admin}/invocations/${await first.invocation}/kill`, {
        method: 'PATCH',
      });
      expect(killed.ok).toBe(true);
      await expect(first.output).rejects.toMatchObject({ code: 'internal' });
      expect((await client.run(keyed('killed'))).content).toBe('second');
    });
  });

  it('in flight is one execution for all who ask, and who joins may leave', async () => {
    await withTool([slow(500, ok('shared'))], async (client, tool) => {
      const first = client.start(keyed('shared'));
      await first.invocation;
      const leaving = client.start(keyed('shared'));
      const staying = client.start(keyed('shared'));
      await Promise.all([leaving.invocation, staying.invocation]);
      leaving.cancel(new Error('no time'));
      await expect(leaving.output).rejects.toMatchObject({
        name: 'AbortError',
        cause: { message: 'no time' },
      });
      expect((await first.output).metadata.coalesced).toBe(false);
      const output = await staying.output;
      expect(output).toMatchObject({ content: 'shared', metadata: { coalesced: true } });
      expect(output.traceId).toBe(staying.traceId);
      expect(tool.calls).toHaveLength(1);
    });
  });
});

describe('the invocation of a run', () => {
  const known = async () => {
    const rows = await scene.server.query("select id from sys_invocation where target = 'TroupeRun/run'");
    return rows.map(({ id }) => id);
  };

  it('is known after its end, whoever asked for it before', async () => {
    await withTool([ok(1)], async (client) => {
      const run = client.start(asked());
      await run.output;
      const invocation = await run.invocation;
      expect(invocation).toMatch(/^inv_/u);
      expect(await known()).toContain(invocation);
    });
  });

  it('is learned of for who looks at a run', async () => {
    await withTool([slow(500, ok(1))], async (client) => {
      const run = client.start(asked());
      expect(run.snapshot().state).toBe('handing in');
      await until(() => run.snapshot().state === 'on Restate', 'it is on Restate');
      await run.output;
      expect(run.snapshot().state).toBe('ended');
    });
  });

  it('under a key is that of who began it, for who gets its answer later', async () => {
    await withTool([ok(1)], async (client) => {
      const first = client.start(keyed('whose'));
      await first.output;
      const second = client.start(keyed('whose'));
      await second.output;
      expect(await second.invocation).toBe(await first.invocation);
    });
  });

  it('of a run that was not handed in is refused as its output is', async () => {
    await withTool([ok(1)], async (client, tool) => {
      const run = client.start(asked());
      run.cancel(new Error('no more'));
      await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
      await expect(run.invocation).rejects.toMatchObject({ code: 'cancelled' });
      const conflicting = client.start({ ...keyed('whose'), request: { q: 2 } });
      await expect(conflicting.invocation).rejects.toMatchObject({ code: 'conflict' });
      expect(tool.calls).toHaveLength(0);
    });
  });

  it('that a proxy hides is refused, and says why', async () => {
    await withTool([ok(1)], async () => {
      const proxy = createServer(async (request, response) => {
        const answer = await fetch(`${scene.server.ingress}${request.url}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: await text(request),
        });
        response.end(await answer.text());
      });
      await once(proxy.listen(0, '127.0.0.1'), 'listening');
      const { port } = proxy.address() as AddressInfo;
      const run = restateClient({ ingress: `http://127.0.0.1:${port}` }).start(asked());
      expect((await run.output).content).toBe(1);
      await expect(run.invocation).rejects.toMatchObject({
        code: 'store_failed',
        message: expect.stringContaining('x-restate-id'),
      });
      proxy.close();
    });
  });
});

describe('a cancellation', () => {
  it('before it was handed in makes no call', async () => {
    await withTool([ok()], async (client, tool) => {
      const run = client.start(asked());
      run.cancel(new Error('at once'));
      await expect(run.output).rejects.toMatchObject({ code: 'cancelled', cause: { message: 'at once' } });
      await expect(
        client.run(asked({ signal: AbortSignal.abort(new Error('before')) })),
      ).rejects.toMatchObject({
        code: 'cancelled',
        cause: { message: 'before' },
      });
      expect(tool.calls).toHaveLength(0);
    });
  });

  it('before it was handed in is not handed in at all', async () => {
    let asked = 0;
    const ingress = createServer((_, response) => {
      asked += 1;
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(ingress, 'listening');
    const { port } = ingress.address() as AddressInfo;
    const client = restateClient({ ingress: `http://127.0.0.1:${port}` });
    const aborted = client.run({
      toolName: 't',
      request: {},
      signal: AbortSignal.abort(new Error('before')),
    });
    await expect(aborted).rejects.toMatchObject({ code: 'cancelled', cause: { message: 'before' } });
    const run = client.start({ toolName: 't', request: {} });
    run.cancel();
    const types: string[] = [];
    for await (const event of run.events) types.push(event.type);
    expect(types).toEqual(['run_started', 'cancelled']);
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect(asked).toBe(0);
    ingress.close();
  });

  it('at any moment ends the run, once, and again after its end does nothing', async () => {
    await withTool([hang()], async (client) => {
      for (const ms of [0, 1, 3, 10, 30, 100, 300]) {
        const run = client.start(ms % 2 ? asked() : keyed(`cancelled after ${ms}`));
        await delay(ms);
        run.cancel('enough');
        run.cancel('again');
        await expect(run.output).rejects.toMatchObject({ code: 'cancelled', cause: 'enough' });
        run.cancel('afterwards');
      }
    });
  });

  it('reaches a run that was started elsewhere; what is no id is refused at once', async () => {
    await withTool([hang()], async (client, tool) => {
      const run = client.start(asked());
      await until(() => tool.calls.length === 1, 'the call was made');
      const other = restateClient({ ingress: scene.server.ingress });
      await other.cancel(await run.invocation, new Error('from elsewhere'));
      await expect(run.output).rejects.toMatchObject({
        code: 'cancelled',
        cause: { message: 'from elsewhere' },
      });
      await other.cancel(await run.invocation);
      for (const id of ['', 'inv_', 'inv_garbage', 'inv_ ☃', 7, null, `inv_${'x'.repeat(99)}`]) {
        await expect(other.cancel(id as never)).rejects.toMatchObject({ code: 'invalid_options' });
      }
    });
  });
});

describe('events', () => {
  const typesOf = async (events: AsyncIterable<RunEvent>) => {
    const types: string[] = [];
    for await (const { type } of events) types.push(type);
    return types;
  };
  const all = ['run_started', 'tool_started', 'run_completed'];

  it('are read by any number of readers, each from the start, also after the end', async () => {
    await withTool([slow(150, ok())], async (client) => {
      const run = client.start(asked());
      const readers = [typesOf(run.events), typesOf(run.events)];
      await delay(100);
      readers.push(typesOf(run.events));
      await run.output;
      readers.push(typesOf(run.events));
      expect(await Promise.all(readers)).toEqual([all, all, all, all]);
    });
  });

  it('nobody reads to the end do not hold up the run', async () => {
    await withTool([slow(100, ok())], async (client) => {
      const run = client.start(asked());
      for await (const event of run.events) if (event.type === 'run_started') break;
      expect((await run.output).status).toBe('completed');
      expect(await typesOf(run.events)).toEqual(all);
    });
  });

  it('pass through `redact`, which may throw', async () => {
    await withTool([ok('secret')], async (client) => {
      const redact = (event: RunEvent) => {
        if (event.type === 'tool_started') throw new Error('no');
        return event.type === 'run_completed' ? ({ ...event, usage: undefined } as never) : event;
      };
      const run = client.start(asked({ options: { redact } }));
      const seen: RunEvent[] = [];
      for await (const event of run.events) seen.push(event);
      expect(seen.map(({ type }) => type)).toContain('run_completed');
      expect((seen.at(-1) as { usage?: unknown }).usage).toBeUndefined();
      expect((await run.output).status).toBe('completed');
    });
  });
});

describe('an ingress', () => {
  const answering = async (status: number, body: string, work: (url: string) => Promise<void>) => {
    const http = createServer((_request, response) => response.writeHead(status).end(body));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    try {
      await work(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    } finally {
      http.close();
      http.closeAllConnections();
    }
  };
  const wrong = [
    [500, '{"message":"broken"}', 'internal'],
    [500, '<html>broken</html>', 'internal'],
    [404, '{"message":"no such service"}', 'store_failed'],
    [502, '<html>bad gateway</html>', 'store_failed'],
    [200, '<html>a portal</html>', 'store_failed'],
    [200, '', 'store_failed'],
    [200, '{}', 'store_failed'],
    [200, 'null', 'store_failed'],
    [200, '[1]', 'store_failed'],
    [401, 'who are you?', 'store_failed'],
  ] as const;
  for (const [status, body, code] of wrong) {
    it(`that answers ${status} ${body || 'nothing'} rejects the run`, async () => {
      await answering(status, body, async (ingress) => {
        const client = restateClient({ ingress, reconnectMs: 250 });
        await expect(client.run(asked())).rejects.toMatchObject({ code: expect.any(String) });
        await expect(client.run(asked())).rejects.toMatchObject({ code });
        await expect(client.run(keyed('k'))).rejects.toMatchObject({ code });
      });
    });
  }

  it.each([
    ['is accepted and not answered', undefined],
    ['is answered late by a gateway', 2500],
  ])('where everything %s is given up in time, a cancellation too', async (_, afterMs) => {
    const silent = createServer((_request, response) => {
      if (afterMs !== undefined) setTimeout(() => response.writeHead(504).end(), afterMs).unref();
    });
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as AddressInfo;
    const client = restateClient({ ingress: `http://127.0.0.1:${port}`, reconnectMs: 500 });
    await expect(client.run(asked())).rejects.toMatchObject({ code: 'store_failed' });
    await expect(client.run(keyed('k'))).rejects.toMatchObject({ code: 'store_failed' });
    const other = client.cancel('inv_1dceKvwtEc2n5GGHpaZ7Svx9d73ND0XnFD');
    await expect(other).rejects.toMatchObject({ code: 'store_failed' });
    silent.close();
    silent.closeAllConnections();
  });

  it('that stops answering in the midst of a run lets a caller go who cancels', async () => {
    await withTool([hang()], async (_client, tool) => {
      const proxy = await aProxy();
      const client = restateClient({ ingress: proxy.url, reconnectMs: 60_000 });
      const run = client.start(asked({ options: { abortGraceMs: 10 } }));
      await run.invocation;
      await until(() => tool.calls.length === 1, 'the call was made');
      proxy.hold();
      run.cancel('enough');
      await expect(run.output).rejects.toMatchObject({ code: 'cancelled', cause: 'enough' });
      proxy.close();
    });
  });

  it('that is silent as long as a run takes is waited for', async () => {
    await withTool([slow(2500, ok(1))], async (client) => {
      const patient = restateClient({ ingress: scene.server.ingress, reconnectMs: 300 });
      const outputs = await Promise.all([client.run(asked()), patient.run(asked())]);
      expect(outputs.map(({ content }) => content)).toEqual([1, 1]);
    });
  });

  it('that is down rejects the run in time, and a cancelled one as cancelled', async () => {
    const client = restateClient({ ingress: 'http://127.0.0.1:9', reconnectMs: 300 });
    await expect(client.run(asked())).rejects.toMatchObject({ name: 'StoreError' });
    const run = client.start(asked());
    await delay(20);
    run.cancel('enough');
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled', cause: 'enough' });
  });

  it('takes options that can be used only', () => {
    const ingress = 'http://127.0.0.1:8080';
    for (const options of [
      {},
      { ingress: 'nowhere' },
      { ingress: 'ftp://127.0.0.1' },
      { ingress: 'http://ann:secret@127.0.0.1' },
      { ingress: 'http://127.0.0.1/?a=1' },
      { ingress, headers: { 'Content-Length': '5' } },
      { ingress, headers: { 'idempotency-key': 'k' } },
      { ingress, reconnectMs: -1 },
      { ingress, reconnectMs: NaN },
      { ingress, headers: { a: 1 } },
      { ingress, headers: { a: 'b\nc' } },
      { ingress, headers: { 'a b': 'c' } },
      { ingress, reliable: false, reliability: { maxRetries: 1 } },
      { ingress, reliability: { breaker: false } },
      { ingress, reliability: { delay: () => 1 } },
      { ingress, unknown: 1 },
      null,
    ]) {
      expect(() => restateClient(options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'invalid_options' }),
      );
    }
    expect(() => restateClient({ ingress: 'http://ann:secret@127.0.0.1' })).not.toThrow('secret');
    for (const options of [
      { identityKeys: ['no key'] },
      { planner: {} },
      { maxCrashRetries: 0 },
      { retentionMs: Infinity },
      { retentionMs: 1e15 },
      { retentionMs: 0.5 },
      { hungAfterMs: 1e300 },
      { identityKeys: ['publickeyv1_x'] },
      { hungAfterMs: 0 },
      { unknown: 1 },
    ]) {
      expect(() => restateEndpoint(new Troupe(), options as never)).toThrow(
        expect.objectContaining({ code: 'invalid_options' }),
      );
    }
    expect(() => restateEndpoint({} as never)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
  });

  it('takes only what can be listened on', async () => {
    const endpoint = restateEndpoint(new Troupe());
    for (const where of [[-1], [NaN], [70_000], ['9999'], [null], [0, ''], [0, 5]]) {
      await expect(
        endpoint.listen(...(where as [number, string])),
        JSON.stringify(where),
      ).rejects.toMatchObject({
        code: 'invalid_options',
      });
    }
    expect(await endpoint.listen()).toBeGreaterThan(0);
    await endpoint.close();
  });

  it('keeps what is asked for as long as may be asked for', async () => {
    const troupe = new Troupe();
    const endpoint = restateEndpoint(troupe, { retentionMs: 315_360_000_000, hungAfterMs: 315_360_000_000 });
    await scene.server.register(`http://127.0.0.1:${await endpoint.listen()}`);
    await endpoint.close();
    await troupe.close();
  });
});
