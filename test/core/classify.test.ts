import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyVerdict, classifyError, makeFailure } from '../../src/core/classify.js';
import { InvalidOptionsError, ToolExecutionError, type FailureCategory } from '../../src/core/errors.js';

const NOW = 1_000_000;
const judge = (error: unknown) => classifyError(error, NOW);
const withFields = (fields: object, message = 'x') => Object.assign(new Error(message), fields);

const KNOWN: readonly FailureCategory[] = [
  'authentication',
  'permission',
  'validation',
  'content_filter',
  'not_found',
  'conflict',
  'quota',
  'rate_limit',
  'timeout',
  'network',
  'server',
  'cancelled',
  'local',
  'invalid_output',
  'unknown',
];

describe('an HTTP status', () => {
  it.each([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])('%i is retried', (status) => {
    expect(judge({ status }).retryable).toBe(true);
    expect(judge({ response: { status } })).toMatchObject({ retryable: true, status });
  });

  it.each([400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 451, 501, 505, 511])('%i is not', (status) => {
    expect(judge({ status }).retryable).toBe(false);
  });

  it.each([
    [401, 'authentication'],
    [402, 'quota'],
    [403, 'permission'],
    [404, 'not_found'],
    [408, 'timeout'],
    [409, 'conflict'],
    [422, 'validation'],
    [429, 'rate_limit'],
    [503, 'server'],
    [501, 'unknown'],
  ] as const)('%i is %s', (status, category) => {
    expect(judge({ statusCode: status })).toMatchObject({ category, status });
    expect(judge({ $metadata: { httpStatusCode: status } }).category).toBe(category);
  });

  it('that is none, or none of a failure, says nothing', () => {
    for (const status of [0, 42, 999, NaN, '500', null, 200, 304]) {
      expect(judge(withFields({ status })).category).toBe('unknown');
    }
  });
});

describe('a code', () => {
  it.each([
    ['insufficient_quota', 'quota'],
    ['ECONNREFUSED', 'network'],
    ['ECONNRESET', 'network'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['ABORT_ERR', 'cancelled'],
    ['context_length_exceeded', 'validation'],
    ['content_filter', 'content_filter'],
    ['overloaded_error', 'server'],
  ] as const)('%s is %s, as code or type, also inside the error body', (code, category) => {
    for (const error of [
      { code },
      { type: code },
      { error: { code } },
      { error: { error: { type: code } } },
    ]) {
      expect(judge(error).category).toBe(category);
    }
    expect(judge({ data: { error: { code } } }).category).toBe(category);
  });

  it('insufficient_quota is quota although it comes as a 429, whatever stands beside it', () => {
    expect(judge({ status: 429, code: 'insufficient_quota' })).toMatchObject({
      category: 'quota',
      status: 429,
      retryable: false,
    });
    const beside = { status: 429, code: 'rate_limit_exceeded', type: 'insufficient_quota' };
    expect(judge(beside).category).toBe('quota');
  });

  it('that every object has as a property is no code', () => {
    for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf']) {
      expect(judge(withFields({ code: word }))).toMatchObject({ category: 'unknown', retryable: false });
      expect(judge(withFields({ name: word })).category).toBe('unknown');
      expect(judge(withFields({ type: word, category: word })).category).toBe('unknown');
    }
  });

  it('tells when no connection was made: such a call had no effect', () => {
    expect(judge({ code: 'ECONNREFUSED' }).precedesExecution).toBe(true);
    expect(judge({ code: 'ECONNRESET' }).precedesExecution).toBe(false);
  });
});

describe('an error', () => {
  it('is judged by its own category first', () => {
    expect(judge({ category: 'content_filter', status: 500 })).toMatchObject({
      category: 'content_filter',
      status: 500,
    });
  });

  it('is judged down its cause chain, the outermost that knows something first', () => {
    const refused = new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
    expect(judge(refused)).toMatchObject({ category: 'network', precedesExecution: true });
    expect(judge(withFields({ status: 404, cause: { status: 500 } })).category).toBe('not_found');
  });

  it('by name is a timeout or an abort', () => {
    expect(judge(new DOMException('x', 'TimeoutError')).category).toBe('timeout');
    expect(judge(new DOMException('x', 'AbortError')).category).toBe('cancelled');
  });

  it('of the program itself is local and never retried', () => {
    expect(judge(new TypeError('timed out'))).toMatchObject({ category: 'local', retryable: false });
    expect(judge(new RangeError('x')).category).toBe('local');
  });

  it('is judged by its message only when nothing else is known', () => {
    expect(judge(new Error('Request timed out')).category).toBe('timeout');
    expect(judge(new Error('Too Many Requests')).category).toBe('rate_limit');
    expect(judge(new Error('socket hang up')).category).toBe('network');
    expect(judge('502 bad gateway').category).toBe('server');
    expect(judge(withFields({ status: 400 }, 'timed out')).category).toBe('validation');
    expect(judge(new Error('the user asked about a timeout of 3 s')).category).toBe('unknown');
  });

  it('with several members is judged by the first that is not worth a retry', () => {
    const some = new AggregateError([{ status: 503 }, { status: 401 }, { status: 500 }]);
    expect(judge(some).category).toBe('authentication');
    expect(judge(new AggregateError([{ status: 503 }, { code: 'ETIMEDOUT' }])).category).toBe('server');
    expect(judge(new AggregateError([])).category).toBe('unknown');
  });

  it('of a nested run is not counted again', () => {
    const nested = new ToolExecutionError('server', 'x', { tool: 't', attempts: 1, failures: [] });
    expect(judge(nested)).toMatchObject({ category: 'server', retryable: true, countsForBreaker: false });
    expect(judge(new InvalidOptionsError('x')).countsForBreaker).toBe(false);
  });

  it('carries the wish of its provider', () => {
    expect(judge({ status: 429, headers: { 'retry-after': '2' } }).retryAfterMs).toBe(2000);
    expect('retryAfterMs' in judge({ status: 429 })).toBe(false);
  });

  it('of any kind gives a known category and never throws', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true }), (error) => {
        const { category, message } = judge(error);
        expect(KNOWN).toContain(category);
        expect(typeof message).toBe('string');
      }),
      { numRuns: 500 },
    );
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('mine');
        },
        has: () => {
          throw new Error('mine');
        },
      },
    );
    expect(judge(hostile).category).toBe('unknown');
  });
});

describe('a category', () => {
  const counted = KNOWN.filter((category) => makeFailure(category, { message: '' }).countsForBreaker);
  const retried = KNOWN.filter((category) => makeFailure(category, { message: '' }).retryable);

  it('is retried if it is rate_limit, timeout, network or server, and no other', () => {
    expect(retried).toEqual(['rate_limit', 'timeout', 'network', 'server']);
  });

  it('counts for the breaker if it is timeout, network or server, and no other', () => {
    expect(counted).toEqual(['timeout', 'network', 'server']);
  });
});

describe('applyVerdict', () => {
  const server = makeFailure('server', { message: 'down', status: 503 });

  it('changes the category with all that follows from it, and keeps the rest', () => {
    expect(applyVerdict(server, 'quota')).toEqual({
      ...makeFailure('quota', { message: 'down' }),
      status: 503,
    });
  });

  it('lets single judgements be given beside the category, or without one', () => {
    expect(applyVerdict(server, { category: 'validation', retryable: true })).toMatchObject({
      category: 'validation',
      retryable: true,
      countsForBreaker: false,
    });
    expect(applyVerdict(server, { retryable: false, openUntil: 5, retryAfterMs: 0 })).toEqual({
      ...server,
      retryable: false,
      openUntil: 5,
      retryAfterMs: 0,
    });
  });

  it('keeps what was found out when the verdict says the same category', () => {
    const refused = judge({ code: 'ECONNREFUSED' });
    expect(applyVerdict(refused, 'network')).toEqual(refused);
  });

  it('ignores what is no verdict', () => {
    const bad = { category: 'nonsense', retryable: 'yes', retryAfterMs: -1, openUntil: NaN };
    for (const verdict of [undefined, null, 3, 'nonsense', 'constructor', {}, bad]) {
      expect(applyVerdict(server, verdict)).toEqual(server);
    }
  });
});
