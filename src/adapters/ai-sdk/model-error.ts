import type { FailureCategory, ReportedUsage } from '../../index.js';

const MARK = Symbol.for('troupe.modelError');

/**
 * What was wrong with an answer, or a call. `call_failed`: the call itself, where the provider gave no code of its own;
 * else `code` is the provider's, `insufficient_quota` for one.
 */
export type ModelErrorCode =
  | 'content_filter'
  | 'length'
  | 'empty'
  | 'unparsable'
  | 'unexpected_tool_calls'
  | 'model_error'
  | 'stream_broken'
  | 'call_failed';

export interface ModelErrorDetails {
  readonly category?: FailureCategory;
  readonly usage?: ReportedUsage;
  readonly status?: number;
  readonly finishReason?: string;
  readonly rawFinishReason?: string;
  readonly text?: string;
  readonly cause?: unknown;
}

/**
 * A call of a model that gave no usable answer. Troupe judges it by `category`, `code` and `status`, reads
 * `Retry-After` from the headers of its `cause`, and counts its `usage`.
 */
export class ModelError extends Error {
  override name = 'ModelError';
  readonly code: ModelErrorCode | (string & {});
  /** Where the code and the status do not say enough. */
  declare readonly category?: FailureCategory;
  /** What the failed call used, where the provider said so. */
  declare readonly usage?: ReportedUsage;
  /** The HTTP status. */
  declare readonly status?: number;
  declare readonly finishReason?: string;
  /** In the provider's own words. */
  declare readonly rawFinishReason?: string;
  /** What the model had said: a refusal, or the beginning of an answer. */
  declare readonly text?: string;

  constructor(code: ModelErrorCode | (string & {}), message: string, details: ModelErrorDetails = {}) {
    const { cause, ...fields } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true });
    }
    Object.defineProperty(this, MARK, { value: true });
  }

  /** True for an error of this kind, also of another copy of the package. */
  static isInstance(error: unknown): error is ModelError {
    return (
      typeof error === 'object' &&
      error !== null &&
      (error as Partial<Record<symbol, unknown>>)[MARK] === true
    );
  }
}
