import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../../src/core/errors.js';
import {
  breakerConfig,
  mergeBreaker,
  parsePools,
  parseReliability,
  RETRY_BUDGET_DEFAULTS,
  retryConfig,
  type BreakerOptions,
  type PoolOptions,
  type ReliabilityOptions,
} from '../../src/core/reliability.js';

const parsed = (options: unknown, name?: string) => parseReliability(options as ReliabilityOptions, name);
const pools = (options: unknown) => parsePools(options as Record<string, PoolOptions>);

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError);
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

const BREAKER = {
  window: { kind: 'time', ms: 60_000 },
  failures: 5,
  slow: undefined,
  openMs: 60_000,
  halfOpen: { probes: 3, successes: 2, leaseMs: 60_000, deadlineMs: 300_000, onDeadline: 'open' },
  mode: 'on',
};
const RETRY = {
  maxRetries: 3,
  initialDelayMs: 1000,
  maxDelayMs: 60_000,
  exponentialBase: 2,
  maxAttempts: 10,
  jitter: 'full',
  onOpen: 'fail',
};
const call = () => undefined;

describe('reliability options', () => {
  it('may be left out', () => {
    expect(parsed(undefined)).toEqual({});
    expect(parsed({})).toEqual({});
  });

  it.each<unknown[]>([
    [{ maxRetries: 0, initialDelayMs: 0, maxDelayMs: 0, exponentialBase: 1, maxAttempts: 1 }],
    [{ jitter: 'full' }],
    [{ jitter: 'decorrelated' }],
    [{ jitter: 'none' }],
    [{ onOpen: 'fail' }],
    [{ onOpen: 'wait', hedgeAfterMs: 0 }],
    [{ delay: call, classify: call, classifyResult: call }],
    [{ breaker: false, retryBudget: false }],
    [{ breaker: {} }],
    [{ breaker: { window: { kind: 'time', ms: 0.5 }, failures: 1, openMs: 0 } }],
    [{ breaker: { window: { kind: 'count', size: 5 } } }],
    [{ breaker: { window: { kind: 'count', size: 4 }, failures: { ratio: 1, minimumCalls: 4 } } }],
    [{ breaker: { window: { kind: 'consecutive' }, failures: { ratio: 0.01, minimumCalls: 1 } } }],
    [{ breaker: { slow: { ms: 0, ratio: 1 }, openMs: call, mode: 'on' } }],
    [{ breaker: { halfOpen: { probes: 2, successes: 2, leaseMs: 1, deadlineMs: 1, onDeadline: 'open' } } }],
    [{ breaker: { halfOpen: { probes: 2, onDeadline: 'closed' }, mode: 'observe' } }],
    [{ breaker: { mode: 'off' } }],
    [{ retryBudget: { tokens: 0.5, ratio: 0 } }],
    [{ retryBudget: {} }],
    [{ providers: { a: { maxRetries: 1, breaker: false, retryBudget: false }, b: { breaker: {} } } }],
  ])('%j are taken as they are', (options) => {
    expect(parsed(options)).toEqual(options);
  });

  it.each([
    [{ maxRetries: -1 }, 'maxRetries', '-1'],
    [{ maxRetries: 1.5 }, 'maxRetries', '1.5'],
    [{ initialDelayMs: -1 }, 'initialDelayMs', '-1'],
    [{ maxDelayMs: -1 }, 'maxDelayMs', '-1'],
    [{ exponentialBase: 0.99 }, 'exponentialBase', '0.99'],
    [{ maxAttempts: 0 }, 'maxAttempts', '0'],
    [{ jitter: 'half' }, 'jitter', '"half"'],
    [{ delay: 5 }, 'delay', '5'],
    [{ onOpen: 'queue' }, 'onOpen', '"queue"'],
    [{ hedgeAfterMs: -1 }, 'hedgeAfterMs', '-1'],
    [{ classify: 'x' }, 'classify', '"x"'],
    [{ classifyResult: 'x' }, 'classifyResult', '"x"'],
    [{ breaker: true }, 'breaker', 'true'],
    [{ breaker: { window: { kind: 'time', ms: 0 } } }, 'breaker.window.ms', '0'],
    [{ breaker: { window: { kind: 'count', size: 0 } } }, 'breaker.window.size', '0'],
    [{ breaker: { window: { kind: 'sliding' } } }, 'breaker.window.kind', '"sliding"'],
    [{ breaker: { failures: 0 } }, 'breaker.failures', '0'],
    [{ breaker: { failures: { ratio: 0, minimumCalls: 1 } } }, 'breaker.failures.ratio', '0'],
    [{ breaker: { failures: { ratio: 1.1, minimumCalls: 1 } } }, 'breaker.failures.ratio', '1.1'],
    [{ breaker: { failures: { ratio: 1, minimumCalls: 0 } } }, 'breaker.failures.minimumCalls', '0'],
    [{ breaker: { slow: { ms: -1, ratio: 1 } } }, 'breaker.slow.ms', '-1'],
    [{ breaker: { slow: { ms: 1, ratio: 0 } } }, 'breaker.slow.ratio', '0'],
    [{ breaker: { openMs: -1 } }, 'breaker.openMs', '-1'],
    [{ breaker: { halfOpen: { probes: 0 } } }, 'breaker.halfOpen.probes', '0'],
    [{ breaker: { halfOpen: { successes: 0 } } }, 'breaker.halfOpen.successes', '0'],
    [{ breaker: { halfOpen: { leaseMs: 0 } } }, 'breaker.halfOpen.leaseMs', '0'],
    [{ breaker: { halfOpen: { deadlineMs: 0 } } }, 'breaker.halfOpen.deadlineMs', '0'],
    [{ breaker: { halfOpen: { onDeadline: 'half-open' } } }, 'breaker.halfOpen.onDeadline', '"half-open"'],
    [{ breaker: { mode: 'maybe' } }, 'breaker.mode', '"maybe"'],
    [{ retryBudget: true }, 'retryBudget', 'true'],
    [{ retryBudget: { tokens: 0 } }, 'retryBudget.tokens', '0'],
    [{ retryBudget: { ratio: -0.1 } }, 'retryBudget.ratio', '-0.1'],
    [{ providers: { a: { maxRetries: -1 } } }, 'providers.a.maxRetries', '-1'],
    [{ providers: { a: { breaker: { failures: 0 } } } }, 'providers.a.breaker.failures', '0'],
  ])('%j is refused with the name of the option and its value', (options, name, value) => {
    const message = refusalOf(() => parsed(options));
    expect(message.slice(0, message.indexOf(' is'))).toBe(`Option \`reliability.${name}\``);
    expect(message.slice(message.indexOf('; got ') + 6)).toBe(`${value}.`);
  });

  it.each([
    [{ retries: 3 }, 'retries'],
    [{ breaker: { treshold: 3 } }, 'breaker.treshold'],
    [{ breaker: { window: { kind: 'consecutive', size: 3 } } }, 'breaker.window.size'],
    [{ breaker: { window: { kind: 'count', size: 9, ms: 3 } } }, 'breaker.window.ms'],
    [{ breaker: { window: { kind: 'time', ms: 9, size: 3 } } }, 'breaker.window.size'],
    [{ breaker: { failures: { ratio: 1, minimumCalls: 1, n: 1 } } }, 'breaker.failures.n'],
    [{ breaker: { slow: { ms: 1, ratio: 1, n: 1 } } }, 'breaker.slow.n'],
    [{ breaker: { halfOpen: { n: 1 } } }, 'breaker.halfOpen.n'],
    [{ retryBudget: { n: 1 } }, 'retryBudget.n'],
    [{ providers: { a: { n: 1 } } }, 'providers.a.n'],
    // It counts the calls of a whole run, whichever provider they go to.
    [{ providers: { a: { maxAttempts: 3 } } }, 'providers.a.maxAttempts'],
  ])('%j has a key that nobody knows', (options, key) => {
    expect(refusalOf(() => parsed(options))).toBe(
      `Unknown option \`reliability.${key}\`. Check the spelling, or leave it out.`,
    );
  });

  it('a slow threshold without one of its halves is refused', () => {
    expect(refusalOf(() => parsed({ breaker: { slow: { ms: 1 } } }))).toMatch(
      /`reliability\.breaker\.slow\.ratio`/,
    );
    expect(refusalOf(() => parsed({ breaker: { failures: { ratio: 1 } } }))).toMatch(/minimumCalls/);
  });
});

describe('a breaker that could never close or open', () => {
  it.each([
    [{ halfOpen: { probes: 1 } }, 1, 2],
    [{ halfOpen: { successes: 4 } }, 3, 4],
    [{ halfOpen: { probes: 4, successes: 5 } }, 4, 5],
  ])('%j asks for more successes than it admits probes', (breaker, probes, successes) => {
    expect(refusalOf(() => parsed({ breaker }))).toBe(
      `Option \`reliability.breaker.halfOpen.successes\` must be at most \`probes\` (${probes}), got ${successes}: ` +
        'the breaker could never close.',
    );
  });

  it.each([
    [{ window: { kind: 'count', size: 4 } }, 5, 4],
    [{ window: { kind: 'count', size: 2 }, failures: 3 }, 3, 2],
    [{ window: { kind: 'count', size: 9 }, failures: { ratio: 0.5, minimumCalls: 10 } }, 10, 9],
  ])('%j has a window too short for its threshold', (breaker, minimum, size) => {
    expect(refusalOf(() => parsed({ breaker }))).toBe(
      `Option \`reliability.breaker.window.size\` must be at least ${minimum}, as many calls as \`failures\` asks for, ` +
        `got ${size}: the breaker could never open.`,
    );
  });

  it('is found at a provider too, and under the name that the options go by', () => {
    const breaker = { halfOpen: { probes: 1 } };
    expect(refusalOf(() => parsed({ providers: { a: {}, b: { breaker } } }))).toMatch(
      /^Option `reliability\.providers\.b\.breaker\.halfOpen\.successes`/,
    );
    expect(refusalOf(() => parsed({ breaker }, 'options'))).toMatch(/^Option `options\.breaker\./);
    expect(refusalOf(() => parsed({ jitter: 1 }, 'options'))).toMatch(/^Option `options\.jitter`/);
  });
});

describe('a breaker with every default in place', () => {
  it.each<[BreakerOptions | undefined, object]>([
    [undefined, {}],
    [{}, {}],
    [false, { mode: 'off' }],
    [
      { failures: 1, openMs: 5, mode: 'observe' },
      { failures: 1, openMs: 5, mode: 'observe' },
    ],
    [{ failures: undefined as never, mode: undefined as never }, {}],
    [{ slow: { ms: 1, ratio: 1 } }, { slow: { ms: 1, ratio: 1 } }],
    [{ halfOpen: { probes: 5 } }, { halfOpen: { ...BREAKER.halfOpen, probes: 5 } }],
    [{ halfOpen: { probes: undefined as never } }, {}],
  ])('of %j', (options, changes) => {
    expect(breakerConfig(options)).toEqual({ ...BREAKER, ...changes });
  });
});

describe("a provider's breaker over the Troupe's", () => {
  it('is merged with it, half-open too', () => {
    const shared = { failures: 2, openMs: 5, halfOpen: { probes: 4, leaseMs: 9 } };
    const own = { failures: 7, openMs: undefined as never, halfOpen: { probes: 5 } };
    expect(mergeBreaker(shared, own)).toEqual({
      failures: 7,
      openMs: 5,
      halfOpen: { probes: 5, leaseMs: 9 },
    });
  });

  it('is the one that there is', () => {
    const one = { failures: 2 };
    expect(mergeBreaker(one, undefined)).toBe(one);
    expect(mergeBreaker(undefined, one)).toBe(one);
    expect(mergeBreaker(undefined, undefined)).toBeUndefined();
  });

  it('is off where it is off, and on where only the Troupe has none', () => {
    expect(mergeBreaker({ failures: 2 }, false)).toBe(false);
    expect(mergeBreaker(false, { failures: 2 })).toEqual({ failures: 2 });
    expect(mergeBreaker(false, undefined)).toBe(false);
  });
});

describe('retry options with every default in place', () => {
  it('are the defaults where no layer says anything', () => {
    expect(retryConfig()).toEqual(RETRY);
    expect(retryConfig(undefined, {}, { maxRetries: undefined as never })).toEqual(RETRY);
    expect(RETRY_BUDGET_DEFAULTS).toEqual({ tokens: 10, ratio: 0.1 });
  });

  it('are those of the last layer that says it', () => {
    const layers = [{ maxRetries: 1, jitter: 'none' }, undefined, { maxRetries: 2, delay: call }] as const;
    expect(retryConfig(...layers)).toEqual({ ...RETRY, maxRetries: 2, jitter: 'none', delay: call });
  });

  it('hold nothing that is no retry option', () => {
    expect(retryConfig({ breaker: false } as never)).toEqual(RETRY);
  });
});

describe('pools', () => {
  it('may be left out, or be there for any provider', () => {
    expect(pools(undefined)).toEqual({});
    const given = { a: { size: 1 }, b: { size: 2, queueLimit: 0, queueTimeoutMs: 0 } };
    expect(pools(given)).toEqual(given);
  });

  it.each([
    [{ a: { size: 0 } }, 'pools.a.size', '0'],
    [{ a: {} }, 'pools.a.size', 'undefined'],
    [{ a: { size: 1, queueLimit: -1 } }, 'pools.a.queueLimit', '-1'],
    [{ a: { size: 1, queueTimeoutMs: -1 } }, 'pools.a.queueTimeoutMs', '-1'],
    [{ a: 5 }, 'pools.a', '5'],
    [5, 'pools', '5'],
  ])('%j is refused', (options, name, value) => {
    const message = refusalOf(() => pools(options));
    expect(message.slice(0, message.indexOf(' is'))).toBe(`Option \`${name}\``);
    expect(message.slice(message.indexOf('; got ') + 6)).toBe(`${value}.`);
  });

  it('have no other options', () => {
    expect(refusalOf(() => pools({ a: { size: 1, max: 2 } }))).toBe(
      'Unknown option `pools.a.max`. Check the spelling, or leave it out.',
    );
  });
});
