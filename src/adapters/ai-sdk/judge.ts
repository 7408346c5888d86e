import type { ReportedUsage, ToolContext } from '../../index.js';
import type { Generated } from './generate.js';
import { ModelError, type ModelErrorCode, type ModelErrorDetails } from './model-error.js';
import { readProviderError } from './provider-error.js';

export interface Rules {
  readonly onLength: 'error' | 'return';
  readonly wantsObject: boolean;
  readonly context: ToolContext;
}

/**
 * The answer in what came back: the text, or the object as it came.
 *
 * @throws {ModelError} for a call that failed, and for an answer that is none; it carries the usage. The signal's reason
 *   for a call that was aborted.
 */
export function judge(generated: Generated, usage: ReportedUsage | undefined, rules: Rules): unknown {
  const { finishReason, rawFinishReason, text, failure } = generated;
  const known: ModelErrorDetails = {
    ...(usage ? { usage } : {}),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(rawFinishReason === undefined ? {} : { rawFinishReason }),
    ...(text === '' ? {} : { text }),
  };
  const refuse = (code: ModelErrorCode, category: ModelErrorDetails['category'], message: string) => {
    return new ModelError(code, message, { ...known, category });
  };
  const { signal } = rules.context;
  // An answer that had come whole is Troupe's to take or to leave.
  if (signal.aborted && (failure || finishReason === undefined)) throw signal.reason;
  if (failure) throw failed(failure.error, known);
  if (finishReason === 'content-filter') {
    const why = rawFinishReason === undefined ? '' : ` (${rawFinishReason})`;
    throw refuse('content_filter', 'content_filter', `The model refused, or its answer was filtered${why}.`);
  }
  if (finishReason === 'length' && (rules.onLength === 'error' || text === '')) {
    const hint = 'Raise `maxOutputTokens`, or ask for less.';
    throw refuse(
      'length',
      'invalid_output',
      `The answer was cut off at the most tokens it may have. ${hint}`,
    );
  }
  if (finishReason === 'error') {
    throw refuse('model_error', 'server', 'The model stopped because of an error.');
  }
  if (finishReason === 'tool-calls') {
    const message = 'The model called a tool where an answer was expected.';
    throw refuse('unexpected_tool_calls', 'invalid_output', message);
  }
  if (rules.context.streaming && (finishReason ?? 'other') === 'other' && rawFinishReason === undefined) {
    throw refuse(
      'stream_broken',
      'network',
      'The stream ended before the answer did: no reason to stop came.',
    );
  }
  if (text.trim() === '' && generated.object === undefined)
    throw refuse('empty', 'invalid_output', 'The model gave an empty answer.');
  warn(generated, rules.context);
  if (!rules.wantsObject) return text;
  if (generated.object === undefined) {
    throw refuse('unparsable', 'invalid_output', 'The answer is no JSON, and an object was asked for.');
  }
  return generated.object;
}

function warn({ finishReason, rawFinishReason }: Generated, { emit }: ToolContext): void {
  if (finishReason === 'length') {
    emit({ type: 'warning', message: 'The answer was cut off at the most tokens it may have.' });
  } else if (finishReason !== 'stop') {
    const message = `The model stopped for a reason the SDK does not know: ${rawFinishReason ?? finishReason}.`;
    emit({ type: 'warning', message });
  }
}

function failed(error: unknown, known: ModelErrorDetails): ModelError {
  const { message, code, status, category } = readProviderError(error);
  return new ModelError(code ?? 'call_failed', message, {
    ...known,
    ...(status === undefined ? {} : { status }),
    ...(category === undefined ? {} : { category }),
    cause: error,
  });
}
