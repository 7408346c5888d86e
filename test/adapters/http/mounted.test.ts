import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createHandler, type HandlerOptions } from '../../../src/adapters/http/index.js';
import { defineTool, Troupe, type RunEvent } from '../../../src/index.js';
import { MOUNTS, type Mounted } from './mounts.js';

let open: { mounted: Mounted; troupe: Troupe }[] = [];
afterEach(async () => {
  for (const { mounted, troupe } of open) {
    await mounted.close();
    await troupe.close({ graceMs: 0 });
  }
  open = [];
});

/** A promise, and what fulfils it. */
class Signal {
  fulfil!: () => void;
  readonly given = new Promise<void>((resolve) => (this.fulfil = resolve));
}

/** What a test and its tool tell each other. */
class Gate {
  readonly begun = new Signal();
  readonly opened = new Signal();
  readonly aborted = new Signal();
}

function tools(gate: Gate) {
  return [
    defineTool({ name: 'add', execute: ({ a, b }: { a: number; b: number }) => a + b }),
    defineTool({
      name: 'wait',
      async execute(_request, _options, { signal, emit }) {
        emit({ type: 'delta', text: 'so far' });
        gate.begun.fulfil();
        signal.addEventListener('abort', () => gate.aborted.fulfil());
        const aborted = new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
        await Promise.race([gate.opened.given, aborted]);
        return 'done';
      },
    }),
  ];
}

async function serve(name: string, options: Partial<HandlerOptions> = {}) {
  const { basePath, mount } = MOUNTS[name]!;
  const gate = new Gate();
  const troupe = new Troupe({ tools: tools(gate) });
  const handler = createHandler(troupe, {
    basePath,
    authorize: (request) => request.headers.get('authorization')?.replace('Bearer ', ''),
    ...options,
  });
  const mounted = await mount(handler);
  open.push({ mounted, troupe });
  const call = (path: string, init: RequestInit = {}, caller = 'ann') =>
    fetch(`${mounted.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${caller}`, 'content-type': 'application/json', ...init.headers },
    });
  const start = (body: object, headers: Record<string, string> = {}, caller = 'ann') =>
    call('/runs', { method: 'POST', body: JSON.stringify(body), headers }, caller);
  return { url: mounted.url, gate, troupe, call, start };
}

/** The messages of a stream, as they come. */
async function* messages(response: Response): AsyncGenerator<{ id?: string; event?: string; data?: string }> {
  let text = '';
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(part);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      yield Object.fromEntries(
        lines.filter((line) => line !== ':').map((line) => line.split(/: (.*)/s).slice(0, 2)),
      );
    }
  }
}

async function eventsOf(response: Response): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const { data } of messages(response)) {
    if (data !== undefined) events.push(JSON.parse(data) as RunEvent);
  }
  return events;
}

describe.each(Object.keys(MOUNTS))('mounted in %s', (mount) => {
  it('starts a run, and tells of it until it has ended', async () => {
    const { gate, call, start } = await serve(mount);
    const started = await start({ toolName: 'wait', request: {} });
    expect(started.status).toBe(202);
    const { id, status } = (await started.json()) as { id: string; status: string };
    expect(status).toBe('running');
    expect(started.headers.get('location')).toBe(`runs/${id}`);
    expect(await (await call(`/runs/${id}`)).json()).toMatchObject({
      id,
      status: 'running',
      snapshot: { state: 'attempting.calling' },
    });
    gate.opened.fulfil();
    const types = (await eventsOf(await call(`/runs/${id}/events`))).map(({ type }) => type);
    expect(types).toEqual(['run_started', 'tool_started', 'run_completed']);
    expect(await (await call(`/runs/${id}`)).json()).toMatchObject({
      status: 'completed',
      output: { content: 'done' },
    });
  });

  it('waits for the answer when it is asked to', async () => {
    const { start } = await serve(mount);
    const response = await start({ tool: 'add', request: { a: 1, b: 2 } }, { prefer: 'wait=10' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'completed', output: { content: 3 } });
  });

  it('streams events, and a reader that comes back gets those it has not', async () => {
    const { gate, call, start } = await serve(mount);
    const first = await start(
      { toolName: 'wait', request: {}, options: { streaming: true } },
      { accept: 'text/event-stream' },
    );
    expect(first.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const id = first.headers.get('troupe-run-id')!;
    let last = '';
    for await (const message of messages(first)) {
      last = message.id ?? last;
      if (message.event === 'delta') break; // closes the connection
    }
    expect(Number(last)).toBeGreaterThan(1);
    gate.opened.fulfil();
    const again = await eventsOf(await call(`/runs/${id}/events`, { headers: { 'last-event-id': last } }));
    expect(again.map(({ type }) => type)).toEqual(['run_completed']);
    expect(again[0]!.seq).toBe(Number(last) + 1);
    const over = await call(`/runs/${id}/events`, { headers: { 'last-event-id': String(again[0]!.seq) } });
    expect(over.status).toBe(204);
  });

  it('cancels a run, and waits for nobody', async () => {
    const { gate, call, start } = await serve(mount);
    const { id } = (await (await start({ toolName: 'wait', request: {} })).json()) as { id: string };
    const cancelled = await call(`/runs/${id}/cancel`, { method: 'POST', body: '{"reason":"enough"}' });
    expect(cancelled.status).toBe(202);
    await gate.aborted.given;
    const types = (await eventsOf(await call(`/runs/${id}/events`))).map(({ type }) => type);
    expect(types.at(-1)).toBe('cancelled');
    expect(await (await call(`/runs/${id}`)).json()).toMatchObject({
      status: 'cancelled',
      output: { error: { message: expect.stringContaining('enough') as string } },
    });
  });

  it('lets a run go on whose reader leaves, and cancels it only when told to', async () => {
    const { gate, troupe, call, start } = await serve(mount);
    const stays = await start({ toolName: 'wait', request: {} }, { accept: 'text/event-stream' });
    const id = stays.headers.get('troupe-run-id')!;
    await stays.body!.cancel();
    const goes = await start(
      { toolName: 'wait', request: {}, cancelOnDisconnect: true },
      { accept: 'text/event-stream' },
    );
    const reader = goes.body!.getReader();
    await reader.read();
    await reader.cancel();
    await gate.aborted.given;
    expect(troupe.isClosed).toBe(false);
    expect(await (await call(`/runs/${id}`)).json()).toMatchObject({ status: 'running' });
  });

  it('cancels with a caller that leaves while it waits, when told to', async () => {
    const { gate, url } = await serve(mount);
    const call = httpRequest(`${url}/runs`, {
      method: 'POST',
      headers: { authorization: 'Bearer ann', 'content-type': 'application/json', prefer: 'wait=60' },
    });
    call.on('error', () => {});
    call.end(JSON.stringify({ toolName: 'wait', request: {}, cancelOnDisconnect: true }));
    await gate.begun.given;
    call.destroy();
    await gate.aborted.given;
  });

  it('takes no body that is too large', async () => {
    const { start } = await serve(mount, { maxBodyBytes: 1000 });
    const response = await start({ toolName: 'add', request: { a: 'x'.repeat(2000) } });
    expect(response.status).toBe(413);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });
});
