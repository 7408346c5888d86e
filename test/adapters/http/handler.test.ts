import { readUIMessageStream, uiMessageChunkSchema, type UIMessage, type UIMessageChunk } from 'ai';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { createHandler, type HandlerOptions } from '../../../src/adapters/http/index.js';
import {
  Budget,
  BundleTool,
  defineTool,
  memoryStore,
  Orchestrator,
  StoreError,
  Troupe,
  type RunEvent,
} from '../../../src/index.js';

const add = defineTool({ name: 'add', execute: ({ a, b }: { a: number; b: number }) => a + b });
const echo = defineTool({ name: 'echo', execute: (request, options) => ({ request, options }) as never });
const keys = defineTool({
  name: 'keys',
  execute: (_request, _options, { traceId, deadline }) => ({ traceId, hasDeadline: deadline !== undefined }),
});
const hang = defineTool({
  name: 'hang',
  execute: (_request, _options, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
});
const broken = defineTool({
  name: 'broken',
  execute: () => {
    throw Object.assign(new Error('no such model'), { status: 404 });
  },
});
const limited = defineTool({
  name: 'limited',
  execute: () => {
    throw Object.assign(new Error('slow down'), { status: 429, retryAfterMs: 90_000 });
  },
});
const story = defineTool({
  name: 'story',
  execute(_request, _options, { emit }) {
    for (const text of ['Once ', 'upon ', 'a time']) emit({ type: 'delta', text });
    return 'Once upon a time';
  },
});
const costly = defineTool({
  name: 'costly',
  estimate: () => ({ tokens: 500 }),
  execute: () => 'answer',
});
class Votes extends BundleTool<unknown, string> {
  override readonly name = 'votes';
  override async replicate() {
    return 'yes';
  }
}

function setUp(options: Partial<HandlerOptions> = {}, troupeOptions: object = {}) {
  const troupe = new Troupe({
    tools: [add, echo, keys, hang, broken, limited, story, costly, new Votes()],
    reliability: { maxRetries: 0 },
    ...troupeOptions,
  });
  const errors: unknown[] = [];
  const handler = createHandler(troupe, {
    authorize: (request) => request.headers.get('x-caller'),
    onError: (error) => errors.push(error),
    ...options,
  });
  const call = (path: string, init: RequestInit & { caller?: string | null } = {}) => {
    const { caller = 'ann', headers, ...rest } = init;
    const all = new Headers(headers);
    if (caller !== null) all.set('x-caller', caller);
    return handler(new Request(`http://test${path}`, { ...rest, headers: all }));
  };
  const post = (body: unknown, headers: Record<string, string> = {}, query = '', caller = 'ann') =>
    call(`/runs${query}`, {
      method: 'POST',
      caller,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const wait = (body: unknown, headers: Record<string, string> = {}, caller = 'ann') =>
    post(body, { prefer: 'wait=20', ...headers }, '', caller);
  return { troupe, errors, call, post, wait };
}

const bodyOf = async (response: Response) => (await response.json()) as Record<string, any>;

function bodyFrom<T>(parts: readonly T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

async function sse(response: Response): Promise<RunEvent[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .flatMap((message) => /^data: (.*)$/m.exec(message)?.[1] ?? [])
    .map((data) => JSON.parse(data) as RunEvent);
}

describe('who calls', () => {
  it.each([null, ''])('must be said (%j)', async (caller) => {
    const { call } = setUp();
    for (const path of ['/runs/x', '/tools', '/nowhere']) {
      const response = await call(path, { caller });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await bodyOf(response)).toMatchObject({ status: 401, code: 'unauthorized' });
    }
  });

  it('may be answered by `authorize` itself', async () => {
    const { call } = setUp({ authorize: () => new Response('moved', { status: 307 }) });
    expect((await call('/tools')).status).toBe(307);
  });

  it.each([true, 17, { id: 17 }])(
    'is not let in by an `authorize` that gives %j, and the service is told what it has to give',
    async (answer) => {
      const { call, errors } = setUp({ authorize: () => answer as never });
      expect((await call('/tools')).status).toBe(500);
      expect(String(errors[0])).toContain('`authorize` must say who calls by an id, which is a text');
    },
  );

  it.each([new Error('db password is hunter2'), new StoreError('db password is hunter2')])(
    'is not let in by an `authorize` that throws, and hears nothing of why (%#)',
    async (why) => {
      const { call, errors } = setUp({ authorize: () => Promise.reject(why) });
      const response = await call('/tools');
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain('hunter2');
      expect(errors).toEqual([expect.objectContaining({ cause: why })]);
    },
  );

  it('sees no run of another', async () => {
    const { call, post } = setUp();
    const { id } = await bodyOf(await post({ toolName: 'hang', request: {} }));
    for (const [path, method] of [
      [`/runs/${id}`, 'GET'],
      [`/runs/${id}`, 'DELETE'],
      [`/runs/${id}/events`, 'GET'],
      [`/runs/${id}/cancel`, 'POST'],
    ] as const) {
      expect((await call(path, { method, caller: 'bob' })).status).toBe(404);
    }
    expect((await call(`/runs/${id}`)).status).toBe(200);
    expect((await call(`/runs/${id}`, { method: 'DELETE' })).status).toBe(202);
  });
});

describe('a run', () => {
  it.each([
    [{ toolName: 'nobody', request: {} }, 404, 'tool_not_found'],
    [{ toolName: 'add', request: {}, options: { timeoutMs: -1 } }, 400, 'invalid_options'],
    [{ toolName: 'add', request: {}, options: { fallback: ['echo'] } }, 400, 'invalid_options'],
    [{ toolName: 'add', request: {}, nonsense: 1 }, 400, 'invalid_options'],
    [{ toolName: 'add' }, 400, 'invalid_options'],
    [{ toolName: 'add', tool: 'echo', request: {} }, 400, 'invalid_options'],
    [{ toolName: 'echo', request: {}, toolOptions: {} }, 400, 'invalid_options'],
    [[], 400, 'invalid_options'],
    ['{"toolName":', 400, 'malformed_json'],
    ['', 400, 'malformed_json'],
  ])('that is asked for by %j is refused', async (body, status, code) => {
    const { post } = setUp();
    const response = await post(body);
    expect([response.status, (await bodyOf(response))['code']]).toEqual([status, code]);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  it.each([
    ['broken', 502, 'not_found'],
    ['limited', 503, 'rate_limit'],
  ])('that fails is a problem to whom waits for it (%s)', async (toolName, status, code) => {
    const { wait } = setUp();
    const response = await wait({ toolName, request: {} });
    expect(response.status).toBe(status);
    expect(await bodyOf(response)).toMatchObject({
      status,
      code,
      output: { status: 'failed', usage: { calls: 1 } },
    });
    if (code === 'rate_limit') expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(80);
  });

  it('that is out of time is one too, and its deadline is never later than it may be', async () => {
    const { wait } = setUp({ maxTimeoutMs: 50 });
    const response = await wait({ toolName: 'hang', request: {}, options: { timeoutMs: 100_000 } });
    // `prefer: wait` is bounded by the same limit: it may be heard of as running.
    expect([202, 504]).toContain(response.status);
    const { post, call } = setUp({ maxTimeoutMs: 50 });
    const { id } = await bodyOf(await post({ toolName: 'hang', request: {} }));
    const events = await sse(await call(`/runs/${id}/events`));
    expect(events.at(-1)).toMatchObject({ type: 'timeout', status: 'timed_out' });
    expect(await bodyOf(await call(`/runs/${id}`))).toMatchObject({ status: 'timed_out' });
  });

  it('spends no more than the service allows, whatever is asked for', async () => {
    const { wait } = setUp({ run: { budget: { tokens: 400 } } });
    const response = await wait({ toolName: 'costly', request: {}, options: { budget: { tokens: 1e9 } } });
    expect(response.status).toBe(402);
    expect(await bodyOf(response)).toMatchObject({ code: 'budget_exceeded', resource: 'tokens', limit: 400 });
    const shared = setUp({ run: () => ({ budget: new Budget({ tokens: 400 }) }) });
    expect(
      (await shared.wait({ toolName: 'costly', request: {}, options: { budget: { tokens: 1e9 } } })).status,
    ).toBe(402);
    const less = setUp({ run: { budget: { tokens: 1000 } } });
    expect(
      (await less.wait({ toolName: 'costly', request: {}, options: { budget: { tokens: 10 } } })).status,
    ).toBe(402);
    expect((await less.wait({ toolName: 'costly', request: {} })).status).toBe(200);
  });

  it('gets the options of its caller', async () => {
    const run = vi.fn(({ id }: { id: string }) => ({ metadata: { tenant: id } }));
    const { wait } = setUp({ run });
    const { output } = await bodyOf(
      await wait({ toolName: 'add', request: { a: 1, b: 2 }, options: { metadata: { tenant: 'x' } } }),
    );
    expect(output.metadata.caller).toEqual({ tenant: 'ann' });
  });

  it('is waited for, however long the wait that is asked for', async () => {
    const { wait } = setUp({ maxTimeoutMs: 1e11 });
    const response = await wait(
      { toolName: 'hang', request: {}, options: { timeoutMs: 50 } },
      { prefer: 'wait=9999999' },
    );
    expect(response.status).toBe(504);
  });

  it('takes options for its tool where the service says so', async () => {
    const { wait } = setUp({ toolOptions: true });
    const { output } = await bodyOf(
      await wait({ toolName: 'echo', request: 'hi', toolOptions: { deep: true } }),
    );
    expect(output.content).toEqual({ request: { query: 'hi' }, options: { deep: true } });
  });

  it('pollutes no prototype', async () => {
    const { wait } = setUp({ toolOptions: true });
    const text =
      '{"toolName":"echo","request":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1},' +
      '"toolOptions":{"__proto__":{"polluted":1}}}';
    const { output } = await bodyOf(await wait(text));
    expect(output.content.request.a).toBe(1);
    expect(Object.hasOwn(output.content.request, '__proto__')).toBe(false);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    const body = await bodyOf(
      await wait('{"toolName":"add","request":{},"options":{"__proto__":{"timeoutMs":1}}}'),
    );
    expect(body['code'] ?? body['status']).toBeDefined();
    expect(({} as { timeoutMs?: number }).timeoutMs).toBeUndefined();
  });

  it('has only tools that the service names', async () => {
    const { call, wait } = setUp({ tools: ['add'] });
    expect(Object.keys((await bodyOf(await call('/tools')))['tools'] as object)).toEqual(['add']);
    expect((await wait({ toolName: 'add', request: { a: 1, b: 1 } })).status).toBe(200);
    expect((await wait({ toolName: 'echo', request: {} })).status).toBe(404);
    expect((await wait({ request: {} })).status).toBe(400);
  });

  it.each([
    ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '0af7651916cd43dd8448eb211c80319c'],
    ['00-00000000000000000000000000000000-b7ad6b7169203331-01', undefined],
    ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', undefined],
    ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', undefined],
    ['01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', '0af7651916cd43dd8448eb211c80319c'],
    ['nonsense', undefined],
  ])('has the trace of `traceparent: %s`', async (traceparent, traceId) => {
    const { wait } = setUp();
    const { output } = await bodyOf(await wait({ toolName: 'keys', request: {} }, { traceparent }));
    if (traceId) expect(output.traceId).toBe(traceId);
    else expect(output.traceId).toMatch(/^[\da-f]{32}$/);
    expect(output.content).toEqual({ traceId: output.traceId, hasDeadline: true });
  });

  it('is told of as long as it is kept', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const { call, wait } = setUp({ keepMs: 1000, maxKept: 2 });
      const ids: string[] = [];
      for (let index = 0; index < 3; index++) {
        ids.push(
          (await bodyOf(await wait({ toolName: 'add', request: { a: index, b: 0 } })))['id'] as string,
        );
      }
      const statuses = async () => Promise.all(ids.map(async (id) => (await call(`/runs/${id}`)).status));
      expect(await statuses()).toEqual([404, 200, 200]);
      vi.advanceTimersByTime(1001);
      expect(await statuses()).toEqual([404, 404, 404]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('an idempotency key', () => {
  it('runs the same request once', async () => {
    const { wait } = setUp();
    const body = { toolName: 'add', request: { a: 1, b: 2 } };
    const first = await bodyOf(await wait(body, { 'idempotency-key': '"k-1"' }));
    const second = await bodyOf(await wait(body, { 'idempotency-key': 'k-1' }));
    expect([first['output'].metadata.replayed, second['output'].metadata.replayed]).toEqual([false, true]);
    const other = await wait({ ...body, request: { a: 2, b: 2 } }, { 'idempotency-key': 'k-1' });
    expect([other.status, (await bodyOf(other))['code']]).toEqual([422, 'conflict']);
  });

  it('of one caller is not that of another', async () => {
    const { wait } = setUp();
    const body = { toolName: 'add', request: { a: 1, b: 2 } };
    await wait(body, { 'idempotency-key': 'k' });
    const other = await wait({ ...body, request: { a: 5, b: 5 } }, { 'idempotency-key': 'k' }, 'bob');
    expect((await bodyOf(other))['output'].content).toBe(10);
  });

  it('may be long, and not too long', async () => {
    const { wait } = setUp();
    const body = { toolName: 'add', request: { a: 1, b: 2 } };
    for (const key of ['x'.repeat(512), `${'x'.repeat(511)}y`]) {
      expect((await bodyOf(await wait(body, { 'idempotency-key': key })))['output'].metadata.replayed).toBe(
        false,
      );
    }
    for (const key of ['x'.repeat(513), '""']) {
      expect((await wait(body, { 'idempotency-key': key })).status).toBe(400);
    }
  });

  it('that cannot be claimed is a problem of the service', async () => {
    const store = Object.assign(memoryStore(), {
      claim: () => {
        throw new Error('disk full');
      },
    });
    const { wait } = setUp({}, { store, logger: { debug() {}, info() {}, warn() {}, error() {} } });
    const response = await wait({ toolName: 'add', request: { a: 1, b: 2 } }, { 'idempotency-key': 'k' });
    expect([response.status, (await bodyOf(response))['code']]).toEqual([503, 'store_failed']);
  });
});

describe('limits', () => {
  it('hold for the runs of one caller', async () => {
    const { call, post, wait } = setUp({ maxRunsPerCaller: 2 });
    const { id } = await bodyOf(await post({ toolName: 'hang', request: {} }));
    await post({ toolName: 'hang', request: {} });
    const refused = await post({ toolName: 'hang', request: {} });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect((await wait({ toolName: 'add', request: { a: 1, b: 1 } }, {}, 'bob')).status).toBe(200);
    await call(`/runs/${id}`, { method: 'DELETE' });
    await sse(await call(`/runs/${id}/events`));
    expect((await wait({ toolName: 'add', request: { a: 1, b: 1 } })).status).toBe(200);
  });

  it('hold for runs that are asked for at once', async () => {
    const { post } = setUp({ maxRunsPerCaller: 3 });
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => post({ toolName: 'hang', request: {} })),
    );
    expect(responses.filter(({ status }) => status === 202)).toHaveLength(3);
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  it('hold for the streams of one caller, until they end or are left', async () => {
    const { call, post } = setUp({ maxStreamsPerCaller: 1 });
    const { id } = await bodyOf(await post({ toolName: 'hang', request: {} }));
    const stream = await call(`/runs/${id}/events`);
    expect((await call(`/runs/${id}/events`)).status).toBe(429);
    expect((await post({ toolName: 'hang', request: {} }, {}, '?format=sse')).status).toBe(429);
    await stream.body!.cancel();
    const again = await call(`/runs/${id}/events`);
    expect(again.status).toBe(200);
    await call(`/runs/${id}`, { method: 'DELETE' });
    await again.text();
    expect((await call(`/runs/${id}/events`)).status).toBe(200);
  });

  it('of the Troupe say when to come back', async () => {
    const { post } = setUp({}, { maxRuns: 1 });
    await post({ toolName: 'hang', request: {} });
    const response = await post({ toolName: 'hang', request: {} });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await bodyOf(response)).toMatchObject({ code: 'overloaded', retryAfterMs: 1000 });
  });

  it('of the body hold whatever its header says', async () => {
    const { call } = setUp({ maxBodyBytes: 100 });
    const body = bodyFrom([
      new TextEncoder().encode('x'.repeat(60)),
      new TextEncoder().encode('x'.repeat(60)),
    ]);
    const response = await call('/runs', {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { 'content-type': 'application/json' },
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  it('of the service end a run as its own doing', async () => {
    const { troupe, wait } = setUp();
    const waiting = wait({ toolName: 'hang', request: {} });
    await expect.poll(() => troupe.activeRuns).toBe(1);
    await troupe.close({ graceMs: 0 });
    const response = await waiting;
    expect(response.status).toBe(503);
    expect(await bodyOf(response)).toMatchObject({ code: 'closed', output: { status: 'cancelled' } });
  });

  it('of what is text hold for bodies: what is no UTF-8 is not guessed at', async () => {
    const { call } = setUp();
    const text = Buffer.from('{"toolName":"echo","request":{"a":"\xff"}}', 'latin1');
    const response = await call('/runs', {
      method: 'POST',
      body: text,
      headers: { 'content-type': 'application/json' },
    });
    expect([response.status, (await bodyOf(response))['code']]).toEqual([400, 'unreadable_body']);
  });

  it('let a closed Troupe start nothing', async () => {
    const { troupe, post } = setUp();
    await troupe.close();
    const response = await post({ toolName: 'add', request: { a: 1, b: 1 } });
    expect([response.status, (await bodyOf(response))['code']]).toEqual([503, 'closed']);
  });
});

describe('addresses', () => {
  it.each([
    ['GET', '/', 404, null],
    ['GET', '/run', 404, null],
    ['GET', '/runs', 405, 'POST'],
    ['PUT', '/runs/x', 405, 'GET, DELETE'],
    ['POST', '/runs/x/events', 405, 'GET'],
    ['GET', '/runs/x/cancel', 405, 'POST'],
    ['GET', '/runs/x/y/z', 404, null],
    ['GET', '/runs/%2e%2e', 404, null],
  ])('%s %s is %d', async (method, path, status, allow) => {
    const { call } = setUp();
    const response = await call(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([status, allow]);
  });

  it('begin with the base path', async () => {
    const { call } = setUp({ basePath: '/a/b' });
    expect((await call('/a/b/tools')).status).toBe(200);
    expect((await call('/tools')).status).toBe(404);
    expect((await call('/a/btools')).status).toBe(404);
  });

  it('want JSON', async () => {
    const { post } = setUp();
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect(
      (await post({ toolName: 'add', request: {} }, { 'content-type': 'application/json; charset=utf-8' }))
        .status,
    ).toBe(202);
  });

  it('know two formats', async () => {
    const { post } = setUp();
    expect((await post({ toolName: 'add', request: {} }, {}, '?format=xml')).status).toBe(400);
  });
});

describe('events', () => {
  it('keep a silent stream open with comments', async () => {
    const { call, post } = setUp({ heartbeatMs: 5 });
    const { id } = await bodyOf(await post({ toolName: 'hang', request: {} }));
    const reader = (await call(`/runs/${id}/events`)).body!.getReader();
    let text = '';
    while (!text.includes(':\n\n:\n\n')) text += new TextDecoder().decode((await reader.read()).value);
    expect(text).toMatch(/^retry: 2000\n\nid: 1\nevent: run_started\n/);
    await reader.cancel();
  });

  it('are read at the pace of the reader, who holds up no run', async () => {
    const chatty = defineTool({
      name: 'chatty',
      async execute(_request, _options, { emit }) {
        for (let index = 0; index < 5000; index++) {
          emit({ type: 'delta', text: 'x' });
          if (index % 500 === 0) await new Promise(setImmediate);
        }
        return 'done';
      },
    });
    const { call, post } = setUp({}, { tools: [chatty] });
    const stalled = await post(
      { toolName: 'chatty', request: {}, options: { streaming: true } },
      {},
      '?format=sse',
    );
    const id = stalled.headers.get('troupe-run-id')!;
    for (let status = ''; status !== 'completed';) {
      await new Promise(setImmediate);
      status = (await bodyOf(await call(`/runs/${id}`)))['status'] as string;
    }
    const events = await sse(stalled);
    expect(events.length).toBeLessThan(2100);
    const text = events.map((event) => (event.type === 'delta' ? event.text : '')).join('');
    expect(text).toHaveLength(5000);
    expect(events.at(-1)!.type).toBe('run_completed');
  });

  it('come back from where a reader left, or are refused', async () => {
    const { call, wait } = setUp();
    const { id } = await bodyOf(await wait({ toolName: 'add', request: { a: 1, b: 1 } }));
    const from = async (after: string) => call(`/runs/${id}/events`, { headers: { 'last-event-id': after } });
    expect((await sse(await from('0'))).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect((await sse(await from('2'))).map(({ seq }) => seq)).toEqual([3]);
    expect((await from('3')).status).toBe(204);
    expect((await from('x')).status).toBe(400);
    expect((await sse(await call(`/runs/${id}/events?after=1`))).map(({ seq }) => seq)).toEqual([2, 3]);
  });

  it('can be hidden by `redact`', async () => {
    const { post, call } = setUp({
      run: {
        redact: (event) => JSON.parse(JSON.stringify(event).replaceAll('no such model', '***')) as RunEvent,
      },
    });
    const response = await post({ toolName: 'broken', request: {} }, {}, '?format=sse');
    const text = await response.text();
    expect(text).toContain('***');
    const read = await (await call(`/runs/${response.headers.get('troupe-run-id')}`)).text();
    expect(text + read).not.toContain('no such model');
  });
});

describe('the UI message stream of the AI SDK', () => {
  async function message(body: object) {
    const response = await setUp().post(body, {}, '?format=ui-message-stream');
    expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const schema = uiMessageChunkSchema();
    const chunks: UIMessageChunk[] = [];
    for (const part of text.split('\n\n').filter((each) => each.startsWith('data: {'))) {
      const checked = await schema.validate!(JSON.parse(part.slice(6)));
      expect(checked.success).toBe(true);
      chunks.push((checked as { value: UIMessageChunk }).value);
    }
    let last: UIMessage | undefined;
    const errors: unknown[] = [];
    const read = readUIMessageStream({
      stream: bodyFrom(chunks) as never,
      onError: (error) => errors.push(error),
    });
    for await (const each of read) last = each;
    return { chunks, message: last!, errors };
  }
  const textOf = ({ parts }: UIMessage) =>
    parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('');

  it('has the text as it comes', async () => {
    const { chunks, message: read } = await message({ toolName: 'story', request: {} });
    expect(textOf(read)).toBe('Once upon a time');
    expect(chunks.filter(({ type }) => type === 'text-delta')).toHaveLength(3);
    expect(read.parts.find(({ type }) => type === 'data-outcome')).toMatchObject({
      data: { status: 'completed' },
    });
  });

  it('has the answer of a tool that does not stream, and what a bundle agrees on', async () => {
    expect(textOf((await message({ toolName: 'add', request: { a: 1, b: 2 } })).message)).toBe('3');
    expect(textOf((await message({ toolName: 'votes', request: {} })).message)).toBe('yes');
  });

  it('tells of an error', async () => {
    const { errors } = await message({ toolName: 'broken', request: {} });
    expect(String(errors[0])).toContain('no such model');
  });
});

describe('what went wrong is told as what it is', () => {
  const strict = defineTool({
    name: 'strict',
    input: z.object({ a: z.number() }),
    execute: () => {
      throw Object.assign(new Error('taken'), { status: 409 });
    },
  });

  it('a request that the `input` of the tool refuses: 400, and 502 what a tool fails with', async () => {
    const { wait } = setUp({}, { tools: [strict] });
    const refused = await wait({ toolName: 'strict', request: { a: 'x' } });
    expect([refused.status, (await bodyOf(refused))['code']]).toEqual([400, 'validation']);
    const failed = await wait({ toolName: 'strict', request: { a: 1 } });
    expect([failed.status, (await bodyOf(failed))['code']]).toEqual([502, 'conflict']);
  });

  it('a key of another request, without what we make of it', async () => {
    const { wait } = setUp();
    await wait({ toolName: 'add', request: { a: 1, b: 2 } }, { 'idempotency-key': 'k' });
    const response = await wait({ toolName: 'add', request: { a: 1, b: 3 } }, { 'idempotency-key': 'k' });
    expect(response.status).toBe(422);
    expect(JSON.stringify(await bodyOf(response))).not.toContain('ann');
  });

  it('options of the service that a function gives and that are not usable: 500, and the service is told', async () => {
    const { wait, errors } = setUp({ run: () => ({ abortGraceMs: -1 }) });
    expect((await wait({ toolName: 'add', request: {} })).status).toBe(500);
    expect(String(errors[0])).toMatch(/option `run` of createHandler\(\) .*`options\.abortGraceMs`/);
  });

  it.each([
    [{ toolName: 'add' }, 'Field `request`: is missing.'],
    [{ toolName: 'add', requst: {} }, 'The body: Unrecognized key: "requst".'],
  ])('the body %j', async (body, detail) => {
    expect(await bodyOf(await setUp().wait(body))).toMatchObject({ status: 400, detail });
  });

  it('a tool of the list that is not registered: no other tool is named', async () => {
    const { wait } = setUp({ tools: ['ad'] });
    const detail = 'There is no tool of that name here. There are none.';
    for (const toolName of ['ad', 'add']) {
      expect(await bodyOf(await wait({ toolName, request: {} }))).toMatchObject({ status: 404, detail });
    }
  });
});

describe('createHandler', () => {
  it.each([
    [{ timeout: 5 }, 'Unknown option `createHandler.run.timeout`'],
    [{ timeoutMs: -1 }, 'Option `createHandler.run.timeoutMs` is not valid'],
    [{ budget: {} }, 'Option `createHandler.run.budget` must set'],
    [{ budget: { tokens: 'many' } }, 'Option `createHandler.run.budget.tokens` is not valid'],
    [{ metadata: { at: 1n } }, 'Option `createHandler.run.metadata` must be JSON'],
    [{ metadata: [] }, 'Option `createHandler.run.metadata` must be an object'],
  ])('refuses options of runs that no run takes: %o', (run, message) => {
    expect(() => setUp({ run } as never)).toThrow(message);
  });

  it('takes a Troupe', () => {
    const wrong = new Orchestrator(new Troupe());
    expect(() => createHandler(wrong as never, { authorize: () => 'x' })).toThrow('takes a Troupe first');
  });

  it.each([
    [{}, '`createHandler.authorize` is not valid: must be a function that says who calls'],
    [
      { authorize: 'secret' },
      '`createHandler.authorize` is not valid: must be a function that says who calls',
    ],
    [{ basePath: 'troupe' }, '`createHandler.basePath`'],
    [{ basePath: '/troupe/' }, '`createHandler.basePath`'],
    [{ maxBodyBytes: 0 }, '`createHandler.maxBodyBytes`'],
    [{ maxRuns: 5 }, 'Unknown option `createHandler.maxRuns`'],
    [{ orchestrator: {} }, '`createHandler.orchestrator`'],
  ])('refuses the options %j', (options, why) => {
    const authorize =
      'authorize' in options || Object.keys(options).length === 0 ? {} : { authorize: () => 'x' };
    expect(() => createHandler(new Troupe(), { ...authorize, ...options } as never)).toThrow(why);
  });
});
