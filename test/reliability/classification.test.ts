import { describe, expect, it } from 'vitest';
import { orThrow, type FailureCategory, type StandardSchema } from '../../src/index.js';
import { ok, scriptedTool, throws } from '../../src/testing/index.js';
import { http, scene } from './scene.js';

const RETRIED: readonly string[] = ['rate_limit', 'timeout', 'network', 'server'];
const COUNTED: readonly string[] = ['timeout', 'network', 'server'];

/** What a run makes of an error: its code, whether it was retried, whether the breaker counted it. */
async function judge(error: unknown, reliability: object = {}) {
  const s = scene({ maxRetries: 1, delay: () => 0, retryBudget: false, ...reliability });
  const tool = scriptedTool('t', [throws(error)]);
  const output = await s.reliable.run({ tool, request: {} });
  const { samples } = s.troupe.breaker('t').snapshot();
  return { code: output.error?.code, retried: tool.calls.length > 1, counted: samples.length > 0 };
}

function expected(category: FailureCategory) {
  return { code: category, retried: RETRIED.includes(category), counted: COUNTED.includes(category) };
}

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('by status', () => {
  it.each<[number, FailureCategory]>([
    [400, 'validation'],
    [401, 'authentication'],
    [402, 'quota'],
    [403, 'permission'],
    [404, 'not_found'],
    [408, 'timeout'],
    [409, 'conflict'],
    [422, 'validation'],
    [425, 'server'],
    [429, 'rate_limit'],
    [500, 'server'],
    [502, 'server'],
    [503, 'server'],
    [504, 'server'],
    [520, 'server'],
    [521, 'server'],
    [522, 'server'],
    [523, 'server'],
    [524, 'server'],
    [529, 'server'],
  ])('%i is %s', async (status, category) => {
    expect(await judge(http(status))).toEqual(expected(category));
  });

  it.each([501, 505, 507, 511, 525, 530, 599])(
    '%i is not retried and counts for no breaker',
    async (status) => {
      expect(await judge(http(status))).toMatchObject({ retried: false, counted: false });
    },
  );

  it.each([
    ['statusCode', { statusCode: 503 }],
    ['response.status', { response: { status: 503 } }],
    ['$metadata.httpStatusCode', { $metadata: { httpStatusCode: 503 } }],
    ['the cause', { cause: http(503) }],
    ['the cause of the cause', { cause: new Error('y', { cause: http(503) }) }],
  ])('is found in %s', async (_where, fields) => {
    expect(await judge(Object.assign(new Error('x'), fields))).toEqual(expected('server'));
  });
});

describe('by code and name', () => {
  it.each<[string, FailureCategory]>([
    ['ECONNREFUSED', 'network'],
    ['ECONNRESET', 'network'],
    ['ENOTFOUND', 'network'],
    ['EAI_AGAIN', 'network'],
    ['EPIPE', 'network'],
    ['UND_ERR_SOCKET', 'network'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['content_filter', 'content_filter'],
    ['rate_limit_exceeded', 'rate_limit'],
    ['invalid_api_key', 'authentication'],
    ['insufficient_quota', 'quota'],
  ])('%s is %s', async (code, category) => {
    expect(await judge(coded(code))).toEqual(expected(category));
  });

  it('a `fetch` that failed is judged by its cause', async () => {
    expect(await judge(new TypeError('fetch failed', { cause: coded('ECONNRESET') }))).toEqual(
      expected('network'),
    );
  });

  it('AbortSignal.timeout inside a tool is a timeout', async () => {
    expect(await judge(new DOMException('The operation timed out', 'TimeoutError'))).toEqual(
      expected('timeout'),
    );
  });

  it('an AbortError that nobody asked for is `cancelled`: not retried, not counted', async () => {
    expect(await judge(new DOMException('aborted', 'AbortError'))).toEqual(expected('cancelled'));
  });

  it.each([
    new TypeError('x is not a function'),
    new ReferenceError('x'),
    new SyntaxError('x'),
    new RangeError('x'),
  ])('a programming error is local: %s', async (error) => {
    expect(await judge(error)).toEqual(expected('local'));
  });
});

describe('quota', () => {
  it.each([
    ['code', http(429, { code: 'insufficient_quota' })],
    ['type', http(429, { type: 'insufficient_quota' })],
    ['the body', http(429, { error: { code: 'insufficient_quota' } })],
    ['the body inside the body', http(429, { error: { error: { type: 'insufficient_quota' } } })],
    ['parsed data', http(429, { data: { error: { code: 'insufficient_quota' } } })],
    ['the cause', http(429, { cause: Object.assign(new Error('x'), { code: 'insufficient_quota' }) })],
  ])('`insufficient_quota` is quota although it comes as a 429: in %s', async (_where, error) => {
    expect(await judge(error)).toEqual(expected('quota'));
  });

  it('starts no cooldown', async () => {
    const s = scene({});
    await s.reliable.run({
      tool: scriptedTool('a', [throws(http(429, { code: 'insufficient_quota', retryAfterMs: 5000 }))], {
        provider: 'p',
      }),
      request: {},
    });
    const output = await s.reliable.run({ tool: scriptedTool('b', [ok()], { provider: 'p' }), request: {} });
    expect(output.elapsedMs).toBe(0);
  });
});

describe('by message, only where there is nothing else', () => {
  it.each<[string, FailureCategory]>([
    ['Request timed out.', 'timeout'],
    ['429 Too Many Requests', 'rate_limit'],
    ['socket hang up', 'network'],
    ['503 Service Unavailable', 'server'],
    ['the dog ate it', 'unknown'],
  ])('%s', async (message, category) => {
    expect(await judge(new Error(message))).toEqual(expected(category));
  });

  it('structured fields win over any message', async () => {
    expect(
      await judge(Object.assign(new Error('rate limit, service unavailable, timed out'), { status: 401 })),
    ).toEqual(expected('authentication'));
    expect(await judge(new Error('rate limit', { cause: http(404) }))).toEqual(expected('not_found'));
    expect(await judge(new TypeError('service unavailable'))).toEqual(expected('local'));
  });

  it.each([['a text'], [null], [undefined], [42], [{}], [Symbol('s')]])(
    '%s, thrown, is unknown',
    async (thrown) => {
      expect(await judge(thrown)).toEqual(expected('unknown'));
    },
  );

  it('an error whose getters throw is unknown and harms nobody', async () => {
    const evil = new Proxy(
      {},
      {
        get() {
          throw new Error('no');
        },
      },
    );
    expect(await judge(evil)).toEqual(expected('unknown'));
  });

  it('an AggregateError is what its members are', async () => {
    const members = [coded('ECONNREFUSED'), coded('ECONNREFUSED')];
    expect(await judge(new AggregateError(members))).toEqual(expected('network'));
    expect(await judge(new AggregateError([http(503), http(401)]))).toEqual(expected('authentication'));
  });
});

describe('`classify`', () => {
  it('may name a category, which brings its rules', async () => {
    for (const category of ['quota', 'rate_limit', 'server', 'content_filter'] as const) {
      expect(await judge(new Error('x'), { classify: () => category })).toEqual(expected(category));
    }
  });

  it('may decide on retrying and counting alone', async () => {
    const error = http(503);
    expect(await judge(error, { classify: () => ({ retryable: false }) })).toEqual({
      code: 'server',
      retried: false,
      counted: true,
    });
    expect(await judge(error, { classify: () => ({ countsForBreaker: false }) })).toEqual({
      code: 'server',
      retried: true,
      counted: false,
    });
    expect(await judge(http(400), { classify: () => ({ retryable: true, countsForBreaker: true }) })).toEqual(
      { code: 'validation', retried: true, counted: true },
    );
  });

  it('gets the error as it was thrown', async () => {
    const seen: unknown[] = [];
    const error = http(503);
    await judge(error, { classify: (given: unknown) => (seen.push(given), undefined) });
    expect(seen[0]).toBe(error);
  });

  it.each([undefined, null, 'nonsense', 42, {}, { category: 'nonsense' }, { retryable: 'yes' }])(
    'what is no verdict changes nothing: %j',
    async (verdict) => {
      expect(await judge(http(503), { classify: () => verdict })).toEqual(expected('server'));
    },
  );
});

describe('invalid output', () => {
  const even: StandardSchema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) => (value === 2 ? { value } : { issues: [{ message: 'not 2' }] }),
    },
  } as StandardSchema;

  it('is not retried by default, counts for no breaker, and falls over', async () => {
    const s = scene({ breaker: { failures: 1 } });
    const tool = scriptedTool('t', [ok(1)], { output: even });
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output', attempts: 1 } });
    expect(() => orThrow(output)).toThrow('not 2');
    expect(s.troupe.breaker('t').state).toBe('closed');
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const spare = await s.reliable.run({ tool, request: {}, options: { fallback: ['spare'] } });
    expect(spare).toMatchObject({ content: 'spare', metadata: { path: ['t', 'spare'] } });
  });

  it('is retried when asked for', async () => {
    const s = scene({
      delay: () => 0,
      classify: (error) =>
        (error as { category?: string }).category === 'invalid_output' ? { retryable: true } : undefined,
    });
    const tool = scriptedTool('t', [ok(1), ok(2)], { output: even });
    expect(await s.reliable.run({ tool, request: {} })).toMatchObject({
      content: 2,
      metadata: { attempts: 2 },
    });
  });
});
