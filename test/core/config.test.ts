import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/core/budget.js';
import { parseRunOptions, type OrchestrationOptions } from '../../src/core/config.js';
import { InvalidOptionsError } from '../../src/core/errors.js';

const DEFAULTS = {
  maxParallel: 10,
  timeoutMs: undefined,
  budget: undefined,
  isBudgetShared: false,
  streaming: false,
  idempotencyKey: undefined,
  traceId: undefined,
  requestId: undefined,
  attemptTimeoutMs: undefined,
  abortGraceMs: 1000,
  onLimit: 'reject',
  unpriced: 'zero',
  fallback: undefined,
  reliability: undefined,
  metadata: undefined,
  redact: undefined,
};

const parsed = (options: unknown) => parseRunOptions(options as OrchestrationOptions);

function refusalOf(options: unknown): string {
  try {
    parsed(options);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError);
    return (error as Error).message;
  }
  throw new Error(`${JSON.stringify(options)} was taken`);
}

describe('the options of a run', () => {
  it('have these defaults', () => {
    expect(parsed(undefined)).toEqual(DEFAULTS);
    expect(parsed({})).toEqual(DEFAULTS);
    expect(parsed({ maxParallel: undefined, onLimit: undefined, abortGraceMs: undefined })).toEqual(DEFAULTS);
    expect(parsed({ onLimit: 'reject', unpriced: 'zero' })).toEqual(DEFAULTS);
  });

  it('are taken as they are given', () => {
    const redact = () => undefined;
    const given = {
      maxParallel: 1,
      timeoutMs: 0,
      streaming: true,
      idempotencyKey: 'k',
      traceId: 't'.repeat(128),
      requestId: 'r'.repeat(512),
      attemptTimeoutMs: 0.5,
      abortGraceMs: 0,
      onLimit: 'return',
      unpriced: 'refuse',
      fallback: ['b', 'c'],
      reliability: { maxRetries: 0 },
      metadata: { user: 'u' },
      redact,
    };
    expect(parsed(given)).toEqual({ ...DEFAULTS, ...given });
  });

  it.each([
    [{ maxParallel: 0 }, 'options.maxParallel', '0'],
    [{ maxParallel: 1.5 }, 'options.maxParallel', '1.5'],
    [{ timeoutMs: -1 }, 'options.timeoutMs', '-1'],
    [{ timeoutMs: Number.NaN }, 'options.timeoutMs', 'NaN'],
    [{ streaming: 1 }, 'options.streaming', '1'],
    [{ idempotencyKey: '' }, 'options.idempotencyKey', '""'],
    [{ idempotencyKey: 'x'.repeat(513) }, 'options.idempotencyKey', `"${'x'.repeat(79)}...`],
    [{ traceId: '' }, 'options.traceId', '""'],
    [{ traceId: 't'.repeat(129) }, 'options.traceId', `"${'t'.repeat(79)}...`],
    [{ requestId: 'r'.repeat(513) }, 'options.requestId', `"${'r'.repeat(79)}...`],
    [{ attemptTimeoutMs: -1 }, 'options.attemptTimeoutMs', '-1'],
    [{ abortGraceMs: Infinity }, 'options.abortGraceMs', 'Infinity'],
    [{ onLimit: 'throw' }, 'options.onLimit', '"throw"'],
    [{ unpriced: 'free' }, 'options.unpriced', '"free"'],
    [{ fallback: 'b' }, 'options.fallback', '"b"'],
    [{ fallback: [1] }, 'options.fallback.0', '1'],
    [{ reliability: { maxRetries: -1 } }, 'options.reliability.maxRetries', '-1'],
    [{ redact: 'all' }, 'options.redact', '"all"'],
    [{ budget: { tokens: -1 } }, 'options.budget.tokens', '-1'],
    [{ budget: { costUsd: '1' } }, 'options.budget.costUsd', '"1"'],
    [{ budget: { ms: Number.NaN } }, 'options.budget.ms', 'NaN'],
    [{ budget: 5 }, 'options.budget', '5'],
  ])('%j is refused with the name of the option and its value', (options, name, value) => {
    const message = refusalOf(options);
    expect(message).toMatch(/^Option `[^`]+` is not valid: .+; got .+\.$/);
    expect(message.slice(0, message.indexOf(' is'))).toBe(`Option \`${name}\``);
    expect(message.slice(message.indexOf('; got ') + 6)).toBe(`${value}.`);
  });

  it.each([
    [{ maxParalel: 3 }, '`options.maxParalel`'],
    [{ reliability: { breaker: false } }, '`options.reliability.breaker`'],
    [{ budget: { dollars: 1 } }, '`options.budget.dollars`'],
  ])('%j has a key that nobody knows', (options, key) => {
    expect(refusalOf(options)).toBe(`Unknown option ${key}. Check the spelling, or leave it out.`);
  });
});

describe('the deadline', () => {
  it.each([
    [{ timeoutMs: 5 }, 5],
    [{ budget: { ms: 7 } }, 7],
    [{ timeoutMs: 5, budget: { ms: 7 } }, 5],
    [{ timeoutMs: 9, budget: { ms: 7, tokens: 1 } }, 7],
    [{ budget: { tokens: 1 } }, undefined],
  ])('of %j is %s ms: the lower of the two', (options, ms) => {
    expect(parsed(options).timeoutMs).toBe(ms);
  });
});

describe('the budget', () => {
  it('is made from its limits, tokens or dollars or both', () => {
    expect(parsed({ budget: { tokens: 5 } }).budget?.limits).toEqual({ tokens: 5 });
    expect(parsed({ budget: { costUsd: 0.5, ms: 1 } }).budget?.limits).toEqual({ costUsd: 0.5 });
    expect(parsed({ budget: { tokens: 0, costUsd: 0 } }).budget?.limits).toEqual({ tokens: 0, costUsd: 0 });
  });

  it('of time alone is a deadline and nothing else', () => {
    expect(parsed({ budget: { ms: 5 } }).budget).toBeUndefined();
  });

  it('that is shared is kept as it is', () => {
    const shared = new Budget({ tokens: 5 });
    expect(parsed({ budget: shared }).budget).toBe(shared);
    expect(parsed({ budget: shared }).isBudgetShared).toBe(true);
    expect(parsed({ budget: { tokens: 5 } }).isBudgetShared).toBe(false);
    expect(parsed({ budget: shared }).timeoutMs).toBeUndefined();
  });

  it('without any limit is refused', () => {
    expect(refusalOf({ budget: {} })).toBe(
      'Option `options.budget` must set `tokens`, `costUsd` or `ms`, got an empty budget. Leave it out for no limit.',
    );
  });
});

describe('the metadata', () => {
  it('are copied as JSON', () => {
    const metadata = { at: new Date(0), list: [1, undefined] };
    expect(parsed({ metadata }).metadata).toEqual({ at: '1970-01-01T00:00:00.000Z', list: [1, null] });
  });

  it.each([[null], [[1]], ['text'], [5]])('%j are no object', (metadata) => {
    expect(refusalOf({ metadata })).toBe('Option `options.metadata` must be an object.');
  });

  it('that are no JSON are refused with what is wrong', () => {
    expect(refusalOf({ metadata: { f: () => 1 } })).toMatch(
      /^Option `options\.metadata` must be JSON: .+\.$/,
    );
    const deep: Record<string, unknown> = {};
    let inner = deep;
    for (let level = 0; level < 200; level++) inner = inner['in'] = {};
    expect(refusalOf({ metadata: deep })).toMatch(/must be JSON: .*100/);
    expect(refusalOf({ metadata: { text: 'x'.repeat(1_048_577) } })).toMatch(/must be JSON: .*1048576/);
    expect(parsed({ metadata: { text: 'x'.repeat(1_000_000) } }).metadata?.['text']).toHaveLength(1_000_000);
  });

  it('whose getters throw end with that error', () => {
    const metadata = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new RangeError('getter');
      },
    });
    expect(() => parsed({ metadata })).toThrow(/getter/);
  });
});
