import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BudgetExceeded,
  CancelledError,
  ConflictError,
  describeError,
  InvalidOptionsError,
  isOrchestratorError,
  OrchestratorError,
  OverloadedError,
  PlanningError,
  StoreError,
  ToolExecutionError,
  ToolNotFoundError,
  ToolRegistrationError,
  TroupeClosedError,
} from '../../src/core/errors.js';

const cause = new Error('why');
const failures = [{ tool: 't', attempt: 1, category: 'server', message: 'down' }] as const;

const ALL: readonly [OrchestratorError, name: string, code: string, fields: object][] = [
  [new OrchestratorError('internal', 'm', { cause }), 'OrchestratorError', 'internal', {}],
  [new InvalidOptionsError('m', { cause }), 'InvalidOptionsError', 'invalid_options', {}],
  [new ToolRegistrationError('m', { cause }), 'ToolRegistrationError', 'tool_registration', {}],
  [new ToolNotFoundError('m', { a: 'no' }), 'ToolNotFoundError', 'tool_not_found', { reasons: { a: 'no' } }],
  [new PlanningError('m', { cause }), 'PlanningError', 'planning_failed', {}],
  [new ConflictError('m', 'k'), 'ConflictError', 'conflict', { idempotencyKey: 'k' }],
  [new StoreError('m', { cause }), 'StoreError', 'store_failed', {}],
  [new TroupeClosedError('m'), 'TroupeClosedError', 'closed', {}],
  [new OverloadedError('m', 5), 'OverloadedError', 'overloaded', { retryAfterMs: 5 }],
  [
    new ToolExecutionError('server', 'm', { tool: 't', attempts: 1, failures, retryAfterMs: 0 }, { cause }),
    'ToolExecutionError',
    'server',
    { tool: 't', attempts: 1, failures, retryAfterMs: 0 },
  ],
  [
    new BudgetExceeded('m', 'tokens', 5, 6, { cause }),
    'BudgetExceeded',
    'budget_exceeded',
    { resource: 'tokens', limit: 5, actual: 6 },
  ],
  [
    new BudgetExceeded('m', 'time', 5, 6),
    'BudgetExceeded',
    'deadline_exceeded',
    { resource: 'time', limit: 5, actual: 6 },
  ],
  [new CancelledError('m', { cause }), 'AbortError', 'cancelled', {}],
];

describe.each(ALL)('%s', (error, name, code, fields) => {
  it('is an error of ours with its name and code, and plain JSON without cause, output or stack', () => {
    error.output = { secret: 1 } as unknown as NonNullable<OrchestratorError['output']>;
    expect(error).toBeInstanceOf(OrchestratorError);
    expect(isOrchestratorError(error)).toBe(true);
    expect([error.name, error.code, error.message]).toEqual([name, code, 'm']);
    expect(String(error)).toBe(`${name}: m`);
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name, code, message: 'm', ...fields });
  });

  it('keeps the cause it was given', () => {
    expect(error.cause === undefined || error.cause === cause).toBe(true);
    expect(error).toMatchObject(fields);
  });
});

describe('an error', () => {
  it('may be given another name', () => {
    const error = new OrchestratorError('internal', 'm');
    error.name = 'Mine';
    expect(String(error)).toBe('Mine: m');
  });

  it('of a closed Troupe says what to do', () => {
    expect(new TroupeClosedError().message).toBe(
      'This Troupe is closed and takes no new runs. Create another one.',
    );
  });

  it('without a time to wait says nothing of one', () => {
    const error = new ToolExecutionError('server', 'm', { tool: 't', attempts: 1, failures });
    expect(Object.keys(error.toJSON())).toEqual(['name', 'code', 'message', 'tool', 'attempts', 'failures']);
  });
});

describe('isOrchestratorError', () => {
  it('knows errors of another copy of the package by their mark', () => {
    const foreign = Object.defineProperty(new Error('x'), Symbol.for('troupe.error'), { value: true });
    expect(isOrchestratorError(foreign)).toBe(true);
  });

  it('is not taken in by other values', () => {
    for (const other of [null, undefined, 'x', 1, {}, new Error('x'), { code: 'internal' }]) {
      expect(isOrchestratorError(other)).toBe(false);
    }
    const marked = Object.defineProperty(() => 1, Symbol.for('troupe.error'), { value: true });
    expect(isOrchestratorError(marked)).toBe(false);
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('mine');
        },
      },
    );
    expect(isOrchestratorError(hostile)).toBe(false);
    const cancelled = new DOMException('x', 'AbortError');
    expect(isOrchestratorError(cancelled)).toBe(false);
  });
});

describe('describeError', () => {
  it.each([
    [new Error('down'), 'down'],
    [new TypeError(''), 'TypeError'],
    ['text', 'text'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ message: 'like an error' }, 'like an error'],
    [Symbol('s'), 'Symbol(s)'],
    [{ message: 5, name: 'N' }, '5'],
    [{ message: null, name: 'N' }, '[object Null]'],
    [{ message: { a: 1 }, name: 'N' }, '[object Object]'],
    [{ message: [1], name: 'N' }, '[object Array]'],
    [{ message: '', name: 'N' }, 'N'],
    [{ message: '', name: '', toString: () => 'mine' }, 'mine'],
    [{ name: 5, toString: () => 'mine' }, 'mine'],
    [new AggregateError([], 'many'), 'many'],
    [Object.create(null), 'an error that cannot be described'],
  ])('gives a text for %s', (error, text) => {
    expect(describeError(error)).toBe(text);
  });

  it('gives a text for anything, and for an error with anything as its message', () => {
    const anything = fc.anything({ withNullPrototype: true, withBigInt: true });
    fc.assert(
      fc.property(anything, (thrown) => {
        expect(typeof describeError(thrown)).toBe('string');
        const odd = Object.defineProperty(new Error('x'), 'message', { value: thrown });
        expect(typeof describeError(odd)).toBe('string');
      }),
    );
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('mine');
      },
    });
    expect(describeError(hostile)).toBe('an error that cannot be described');
  });
});
