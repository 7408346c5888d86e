import { describe, expect, it } from 'vitest';
import {
  applyVerdict,
  classifyError,
  isVerdict,
  makeFailure,
  type Failure,
} from '../../src/core/classify.js';
import { OrchestratorError, ToolExecutionError, type FailureCategory } from '../../src/core/errors.js';

const judge = (error: unknown) => classifyError(error, 0);
const category = (error: unknown) => judge(error).category;

const BY_CODE: Partial<Record<FailureCategory, string>> = {
  quota: 'insufficient_quota billing_hard_limit_reached credit_balance_too_low',
  rate_limit: 'rate_limit_exceeded rate_limit_error',
  server: 'overloaded_error server_error api_error',
  timeout: 'timeout_error ETIMEDOUT ESOCKETTIMEDOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT',
  authentication: 'authentication_error invalid_api_key',
  permission: 'permission_error permission_denied',
  not_found: 'not_found_error model_not_found',
  validation: 'invalid_request_error context_length_exceeded',
  content_filter: 'content_filter content_policy_violation',
  network:
    'ECONNREFUSED ECONNRESET ECONNABORTED ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH EPIPE UND_ERR_SOCKET UND_ERR_CONNECT_TIMEOUT',
  cancelled: 'ABORT_ERR ERR_CANCELED',
};
const NEVER_CONNECTED =
  'ECONNREFUSED ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH UND_ERR_CONNECT_TIMEOUT'.split(' ');
const CODES = Object.entries(BY_CODE).flatMap(([of, codes]) =>
  codes.split(' ').map((code) => [code, of] as const),
);
const ALL: readonly FailureCategory[] = [
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

describe('a code', () => {
  it.each(CODES)('%s: %s', (code, of) => {
    expect([category({ code }), category({ error: { type: code } })]).toEqual([of, of]);
  });

  it('of a connection that never was says that the call had no effect', () => {
    const network = CODES.filter(([, of]) => of === 'network' || of === 'timeout').map(([code]) => code);
    expect(network.filter((code) => judge({ code }).precedesExecution)).toEqual(NEVER_CONNECTED);
  });

  it('is found as code and type of the error and of the bodies inside it, and nowhere else', () => {
    const code = 'model_not_found';
    const holders = [{ error: { code } }, { error: { error: { code } } }, { data: { error: { code } } }];
    expect(holders.map(category)).toEqual(['not_found', 'not_found', 'not_found']);
    expect([{ data: { code } }, { body: { code } }, { code: 404 }].map(category)).toEqual([
      'unknown',
      'unknown',
      'unknown',
    ]);
  });

  it('that every object has is none', () => {
    expect([category({ code: 'toString' }), category({ name: 'constructor' })]).toEqual([
      'unknown',
      'unknown',
    ]);
  });

  it('of a quota is found at any depth, with the first status there is', () => {
    const deep = { status: 429, cause: { status: 400, code: 'insufficient_quota' } };
    expect(judge(deep)).toMatchObject({ category: 'quota', status: 429 });
    expect(judge({ cause: { status: 400, code: 'insufficient_quota' } })).toMatchObject({ status: 400 });
    expect('status' in judge({ code: 'insufficient_quota' })).toBe(false);
  });
});

describe('a status', () => {
  it.each<[number, FailureCategory]>([
    [400, 'validation'],
    [401, 'authentication'],
    [402, 'quota'],
    [403, 'permission'],
    [404, 'not_found'],
    [408, 'timeout'],
    [409, 'conflict'],
    [410, 'not_found'],
    [418, 'validation'],
    [425, 'server'],
    [429, 'rate_limit'],
    [499, 'validation'],
    [500, 'server'],
    [501, 'unknown'],
    [502, 'server'],
    [503, 'server'],
    [504, 'server'],
    [505, 'unknown'],
    [520, 'server'],
    [521, 'server'],
    [522, 'server'],
    [523, 'server'],
    [524, 'server'],
    [525, 'unknown'],
    [529, 'server'],
    [599, 'unknown'],
  ])('%i: %s', (status, of) => {
    expect(judge({ status })).toMatchObject({ category: of, status });
  });

  it('is read in five places', () => {
    const places = [
      { status: 401 },
      { statusCode: 401 },
      { response: { status: 401 } },
      { response: { statusCode: 401 } },
      { $metadata: { httpStatusCode: 401 } },
    ];
    expect(places.map((place) => judge(place).status)).toEqual([401, 401, 401, 401, 401]);
    expect(judge({ status: '401', statusCode: 403 }).status).toBe(403);
  });

  it('is one of HTTP', () => {
    for (const status of [99, 600, '401', Number.NaN]) expect(judge({ status })).not.toHaveProperty('status');
    expect(judge({ status: 100, code: 'EPIPE' })).toMatchObject({ status: 100, category: 'network' });
    for (const status of [99, 600]) expect(judge({ status, code: 'EPIPE' })).not.toHaveProperty('status');
    expect(judge({ status: 200 })).toMatchObject({ category: 'unknown' });
    expect(judge({ status: 399 })).not.toHaveProperty('status');
  });

  it('goes with a code or a category that says more', () => {
    expect(judge({ status: 400, code: 'content_filter' })).toMatchObject({
      category: 'content_filter',
      status: 400,
    });
    expect(judge({ status: 400, category: 'server' })).toMatchObject({ category: 'server', status: 400 });
    expect(judge({ category: 'server' })).not.toHaveProperty('status');
    expect(category({ category: 'nonsense', status: 401 })).toBe('authentication');
  });
});

describe('a name', () => {
  it.each<[string, FailureCategory]>([
    ['TimeoutError', 'timeout'],
    ['AbortError', 'cancelled'],
    ['ZodError', 'validation'],
    ['TypeError', 'local'],
    ['ReferenceError', 'local'],
    ['RangeError', 'local'],
    ['SyntaxError', 'local'],
    ['EvalError', 'local'],
    ['Error', 'unknown'],
  ])('%s: %s', (name, of) => {
    expect(category({ name })).toBe(of);
  });
});

describe('a message', () => {
  it.each<[string, FailureCategory]>([
    ['it timed out', 'timeout'],
    ['the TIMEOUT exceeded it', 'timeout'],
    ['a request timeout', 'timeout'],
    ['timeout', 'timeout'],
    ['Timeout', 'timeout'],
    ['a timeout of 5', 'unknown'],
    ['the timeout', 'unknown'],
    ['timeout!', 'unknown'],
    ['mistimed outing', 'unknown'],
    ['rate limit', 'rate_limit'],
    ['you are Rate Limited', 'rate_limit'],
    ['too many requests', 'rate_limit'],
    ['first-rate limits', 'unknown'],
    ['socket hang up', 'network'],
    ['fetch failed', 'network'],
    ['a network error', 'network'],
    ['connect ECONNREFUSED 1', 'network'],
    ['ECONN', 'unknown'],
    ['service unavailable', 'server'],
    ['Bad Gateway', 'server'],
    ['internal server error', 'server'],
    ['overloaded', 'server'],
    ['overloadedness', 'unknown'],
    ['whatever', 'unknown'],
  ])('"%s": %s', (message, of) => {
    expect(category(new Error(message))).toBe(of);
    expect(category(message)).toBe(of);
  });

  it('counts for nothing where there is something else', () => {
    expect(category(Object.assign(new Error('rate limit'), { status: 401 }))).toBe('authentication');
    expect(category(new TypeError('rate limit'))).toBe('local');
    expect(category(undefined)).toBe('unknown');
  });
});

describe('an error with members', () => {
  it('is its first member that is not worth a retry, else its first', () => {
    const errors = [{ status: 503 }, { cause: { status: 401 } }, { status: 404 }];
    expect(category({ errors })).toBe('authentication');
    expect(category({ errors: [{ status: 503 }, { code: 'EPIPE' }] })).toBe('server');
    expect(category({ errors: [new Error('rate limit')] })).toBe('rate_limit');
    expect(category({ cause: { errors } })).toBe('authentication');
    expect(category({ errors: [], message: 'rate limit' })).toBe('rate_limit');
    expect(category({ errors: 'none', message: 'rate limit' })).toBe('rate_limit');
  });

  it('is looked at twenty deep', () => {
    const many = (n: number) => [...Array.from({ length: n }, () => ({ status: 503 })), { status: 401 }];
    expect([category({ errors: many(19) }), category({ errors: many(20) })]).toEqual([
      'authentication',
      'server',
    ]);
  });

  it('has fields of its own, which say more', () => {
    expect(category({ errors: [{ status: 401 }], status: 503 })).toBe('server');
  });
});

describe('the words of a failure', () => {
  const caused = (message: string, cause: unknown) => judge(new Error(message, { cause })).message;

  it('are its own with those of its cause, once', () => {
    expect(caused('fetch failed', new Error('refused'))).toBe('fetch failed: refused');
    expect(caused('It broke.', new Error('refused'))).toBe('It broke: refused');
    expect(caused('\u001B[31mIt broke\u001B[0m\n', new Error('It broke'))).toBe('It broke');
    expect(caused('it was refused', new Error('refused'))).toBe('it was refused');
    expect(caused('fetch failed', 'refused')).toBe('fetch failed');
    expect(caused('fetch failed', null)).toBe('fetch failed');
  });

  it('are those of an error of ours as they stand', () => {
    const ours = new OrchestratorError('internal', 'ours', { cause: new Error('theirs') });
    expect(judge(ours).message).toBe('ours');
  });
});

describe('an error of ours', () => {
  it('has its code for a category, and its breaker has counted it', () => {
    const nested = new ToolExecutionError('server', 'm', { tool: 't', attempts: 1, failures: [] });
    expect(judge(nested)).toMatchObject({ category: 'server', countsForBreaker: false });
    expect(judge({ code: 'server' }).category).toBe('unknown');
    expect(category(new OrchestratorError('internal', 'm'))).toBe('unknown');
  });
});

describe('the defaults of a category', () => {
  const having = (flag: keyof Failure) =>
    ALL.filter((of) => makeFailure(of, { message: 'm' })[flag] === true);
  it('are these', () => {
    expect(having('retryable')).toEqual(['rate_limit', 'timeout', 'network', 'server']);
    expect(having('countsForBreaker')).toEqual(['timeout', 'network', 'server']);
    expect(having('precedesExecution')).toEqual([
      'authentication',
      'permission',
      'validation',
      'not_found',
      'conflict',
      'quota',
      'rate_limit',
    ]);
  });
});

describe('a verdict', () => {
  const failure = makeFailure('server', { message: 'm', status: 503 });

  it.each(ALL)('may be the category %s', (of) => {
    expect([isVerdict(of), isVerdict({ category: of })]).toEqual([true, true]);
    expect(applyVerdict(failure, of)).toEqual({ ...failure, ...makeFailure(of, { message: 'm' }) });
  });

  it.each(['retryable', 'countsForBreaker', 'precedesExecution'])('may say whether it is %s', (flag) => {
    for (const value of [true, false]) {
      expect(isVerdict({ [flag]: value })).toBe(true);
      expect(applyVerdict(failure, { [flag]: value })).toEqual({ ...failure, [flag]: value });
    }
    expect(isVerdict({ [flag]: 1 })).toBe(false);
    expect(applyVerdict(failure, { [flag]: 1 })).toEqual(failure);
  });

  it.each(['retryAfterMs', 'openUntil'])('may give %s', (amount) => {
    for (const value of [0, 5]) {
      expect(isVerdict({ [amount]: value })).toBe(true);
      expect(applyVerdict(failure, { [amount]: value })).toEqual({ ...failure, [amount]: value });
    }
    for (const value of [-1, Infinity, Number.NaN, '5']) {
      expect(isVerdict({ [amount]: value })).toBe(false);
      expect(applyVerdict(failure, { [amount]: value })).toEqual(failure);
    }
  });

  it.each([
    [undefined],
    [null],
    [5],
    ['nonsense'],
    [{}],
    [{ category: 'nonsense' }],
    [{ category: 5 }],
    [[]],
  ])('is not %j, which changes nothing', (other) => {
    expect(isVerdict(other)).toBe(false);
    expect(applyVerdict(failure, other)).toEqual(failure);
  });

  it('of the same category keeps what was judged', () => {
    const judged = { ...failure, retryable: false };
    expect(applyVerdict(judged, 'server')).toEqual(judged);
  });
});
