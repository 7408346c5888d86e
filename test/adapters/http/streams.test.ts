import { describe, expect, it } from 'vitest';
import { createHandler, type HandlerOptions } from '../../../src/adapters/http/index.js';
import { eventStream } from '../../../src/adapters/http/event-stream.js';
import { uiMessageStream } from '../../../src/adapters/http/formats.js';
import { defineTool, memoryStore, Troupe, type Claim, type RunEvent } from '../../../src/index.js';
import { quiet } from '../../hostile/harness.js';

const broken = defineTool({
  name: 'broken',
  execute: () => {
    throw Object.assign(new Error('no such model'), { status: 404 });
  },
});
const odd = defineTool({ name: 'odd', execute: (request) => request as never });
const text = defineTool({
  name: 'text',
  execute(_request, _options, { emit }) {
    emit({ type: 'delta', text: 'My card is 4111' });
    return 'done';
  },
});

function setUp(options: Partial<HandlerOptions> = {}, troupeOptions: object = {}) {
  const troupe = new Troupe({
    tools: [broken, odd, text],
    reliability: { maxRetries: 0 },
    logger: quiet,
    ...troupeOptions,
  });
  const handler = createHandler(troupe, { authorize: () => 'ann', maxStreamsPerCaller: 1, ...options });
  const get = (path: string, headers: Record<string, string> = {}) =>
    handler(new Request(`http://test${path}`, { headers }));
  const post = (format: string, toolName: string, request: object = {}, headers: object = {}) =>
    handler(
      new Request(`http://test/runs?format=${format}`, {
        method: 'POST',
        body: JSON.stringify({ toolName, request }),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    );
  return { get, post };
}

const partsOf = (stream: string) =>
  stream.split('\n\n').flatMap((part) => {
    const data = /^data: (\{.*)$/m.exec(part)?.[1];
    return data === undefined ? [] : [JSON.parse(data) as Record<string, unknown>];
  });

describe('a UI message stream', () => {
  it.each([
    [{ evidenceBundle: 1 }, '{"evidenceBundle":1}'],
    [{ evidenceBundle: null }, '{"evidenceBundle":null}'],
    [{ evidenceBundle: { summary: { consensus: null, leader: 'yes' } } }, 'yes'],
    [{ evidenceBundle: { summary: { consensus: null, leader: null } } }, 'null'],
  ])('has the answer %j as text', async (answer, told) => {
    const parts = partsOf(await (await setUp().post('ui-message-stream', 'odd', answer)).text());
    expect(parts.find(({ type }) => type === 'text-delta')).toMatchObject({ delta: told });
    expect(parts.at(-1)).toEqual({ type: 'finish' });
  });

  it.each([
    ['nothing', () => undefined],
    ['an error of another kind', (event: RunEvent) => ({ ...event, error: 'hidden' })],
  ])('ends as it should where `redact` leaves %s of an event', async (_, redact) => {
    const { post } = setUp({ run: { redact: redact as never } });
    const body = await (await post('ui-message-stream', 'broken')).text();
    expect(partsOf(body).slice(-2)).toEqual([
      { type: 'error', errorText: 'The run failed.' },
      { type: 'finish' },
    ]);
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
    const parts = partsOf(await (await post('ui-message-stream', 'text')).text());
    expect(parts.filter(({ type }) => type === 'text-delta').every(({ delta }) => delta !== undefined)).toBe(
      true,
    );
  });

  it('tells nothing of the texts of replicates, and all of those that are to be read', async () => {
    const format = uiMessageStream('r', () => Promise.resolve('answer'));
    const delta = (more: object) => format.write({ type: 'delta', text: 'x', ...more } as RunEvent);
    expect(await delta({ replicate: 'r1' })).toBe('');
    expect(await delta({ text: '' })).toBe('');
    expect(await delta({})).toContain('text-start');
    expect(await delta({})).not.toContain('text-start');
  });
});

describe('a stream that breaks', () => {
  it('is told to have been left, and gives its reader of events back', async () => {
    let isOver = false;
    async function* events() {
      try {
        for (;;) yield { type: 'warning' } as RunEvent;
      } finally {
        isOver = true;
      }
    }
    const told: boolean[] = [];
    const stream = eventStream(events(), {
      heartbeatMs: 1000,
      opening: '',
      closing: () => '',
      write: () => Promise.reject(new Error('not to be written')),
      closed: (hasLeft) => told.push(hasLeft),
    });
    await expect(new Response(stream).text()).rejects.toThrow('not to be written');
    expect([told, isOver]).toEqual([[true], true]);
  });
});

describe('a run that is refused when its stream has begun', () => {
  async function refused(format: string) {
    let answer!: (claim: Claim) => void;
    const claim = () => new Promise<Claim>((resolve) => (answer = resolve));
    const { get, post } = setUp({}, { store: Object.assign(memoryStore(), { claim }) });
    const response = await post(format, 'odd', {}, { 'idempotency-key': 'k' });
    answer({ kind: 'conflict' });
    return { get, response, body: await response.text() };
  }

  it('says why, and tells a reader that comes back to stay away', async () => {
    const { get, response, body } = await refused('sse');
    expect(body).toMatch(/^retry: 2000\n\nid: 1\nevent: error\n/);
    expect(partsOf(body)).toEqual([
      {
        type: 'error',
        error: expect.objectContaining({ name: 'ConflictError', code: 'conflict' }) as object,
      },
    ]);
    const path = `/runs/${response.headers.get('troupe-run-id')}/events`;
    expect((await get(path, { 'last-event-id': '1' })).status).toBe(204);
    expect(await (await get(path)).text()).toContain('event: error');
  });

  it('says why in the format of the AI SDK', async () => {
    const { body } = await refused('ui-message-stream');
    expect(partsOf(body).slice(1)).toEqual([
      { type: 'error', errorText: expect.stringContaining('idempotency key') as string },
      { type: 'finish' },
    ]);
  });
});

describe('a run that is refused at once', () => {
  it('takes no stream of its caller', async () => {
    const { post } = setUp();
    for (let index = 0; index < 3; index++) expect((await post('sse', 'nobody')).status).toBe(404);
    expect((await post('sse', 'odd')).status).toBe(200);
  });

  it('takes the place of no other that can be read', async () => {
    const { get, post } = setUp({ maxKept: 1 });
    const response = await post('sse', 'odd');
    await response.text();
    for (let index = 0; index < 3; index++) await post('sse', 'nobody');
    expect((await get(`/runs/${response.headers.get('troupe-run-id')}`)).status).toBe(200);
  });
});

describe('what the service does not hear of', () => {
  it('is an `onError` that fails, at once or by promise', async () => {
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on('unhandledRejection', note);
    const authorize = () => {
      throw new Error('down');
    };
    for (const onError of [authorize, () => Promise.reject(new Error('down too'))]) {
      expect((await setUp({ authorize, onError }).get('/tools')).status).toBe(500);
    }
    await new Promise(setImmediate);
    process.off('unhandledRejection', note);
    expect(failures).toEqual([]);
  });
});
