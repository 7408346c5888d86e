import { describe, expect, it } from 'vitest';
import {
  BudgetExceeded,
  CancelledError,
  OrchestratorError,
  ToolExecutionError,
} from '../../src/core/errors.js';
import { orThrow, rememberError, type OrchestrationOutput } from '../../src/core/output.js';

const outputOf = (fields: object) => fields as OrchestrationOutput;

function thrownBy(output: OrchestrationOutput): OrchestratorError {
  try {
    orThrow(output);
  } catch (error) {
    return error as OrchestratorError;
  }
  throw new Error('it threw nothing');
}

describe('orThrow', () => {
  it('gives the content of an answer, in part too', () => {
    expect(orThrow(outputOf({ status: 'completed', content: 'all' }))).toBe('all');
    expect(orThrow(outputOf({ status: 'partial', content: 'some' }))).toBe('some');
  });

  it('throws the error that was remembered, with the output', () => {
    const output = outputOf({ status: 'failed', error: { name: 'Error', code: 'server', message: 'json' } });
    const live = new OrchestratorError('server', 'live');
    rememberError(output, live);
    expect(thrownBy(output)).toBe(live);
    expect(live.output).toBe(output);
  });
});

describe('an output that crossed a process', () => {
  const failures = [{ tool: 't', attempt: 1, category: 'server', message: 'down' }];
  it.each([
    [
      {
        name: 'BudgetExceeded',
        code: 'budget_exceeded',
        message: 'm',
        resource: 'tokens',
        limit: 5,
        actual: 6,
      },
      BudgetExceeded,
    ],
    [
      {
        name: 'BudgetExceeded',
        code: 'deadline_exceeded',
        message: 'm',
        resource: 'time',
        limit: 5,
        actual: 6,
      },
      BudgetExceeded,
    ],
    [
      { name: 'ToolExecutionError', code: 'server', message: 'm', tool: 't', attempts: 1, failures },
      ToolExecutionError,
    ],
    [
      {
        name: 'ToolExecutionError',
        code: 'rate_limit',
        message: 'm',
        tool: 't',
        attempts: 1,
        failures,
        retryAfterMs: 9,
      },
      ToolExecutionError,
    ],
    [{ name: 'AbortError', code: 'cancelled', message: 'm' }, CancelledError],
    [{ name: 'OrchestratorError', code: 'internal', message: 'm' }, OrchestratorError],
  ])('throws %j again', (error, type) => {
    const output = outputOf({ status: 'failed', error });
    const thrown = thrownBy(output);
    expect(thrown).toBeInstanceOf(type);
    expect(thrown.toJSON()).toEqual(error);
    expect(thrown.output).toBe(output);
  });
});
