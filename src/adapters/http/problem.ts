import { isOrchestratorError, type OrchestrationOutput, type OrchestratorError } from '../../index.js';

/** Fields of a problem beside those of RFC 9457. */
type Extras = Readonly<Record<string, unknown>>;

/** Something a caller is told as `application/problem+json` (RFC 9457). Thrown inside the handler, answered by it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly extras: Extras = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
  }

  toResponse(): Response {
    const { status, code, message, extras, headers } = this;
    const body = { type: `urn:troupe:problem:${code}`, title: titleOf(code), status, detail: message, code };
    return new Response(JSON.stringify({ ...extras, ...body }), {
      status,
      headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    });
  }
}

function titleOf(code: string): string {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Of the errors that a run can end with, or be refused with, those that are no fault of what it called. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_options: 400,
  tool_not_found: 404,
  budget_exceeded: 402,
  quota: 503,
  overloaded: 503,
  closed: 503,
  store_failed: 503,
  breaker_open: 503,
  cooling_down: 503,
  pool_full: 503,
  pool_timeout: 503,
  retry_budget: 503,
  rate_limit: 503,
  cancelled: 409,
  deadline_exceeded: 504,
  timeout: 504,
  gave_up: 504,
  internal: 500,
  planning_failed: 500,
  tool_registration: 500,
};

/** 422, as the draft on the header has it. */
const KEY_CONFLICT =
  'This `Idempotency-Key` was used for a different request. Use a new key, or repeat the same request.';

/** The answer to an error that a run ended with or was refused with. */
export function problemOf(error: unknown, output?: OrchestrationOutput): Problem {
  if (error instanceof Problem) return error;
  if (!isOrchestratorError(error)) {
    return new Problem(500, 'internal', 'The request could not be handled. The log of the service says why.');
  }
  // It was the service that cancelled the run: its claim was lost, or the Troupe was closed.
  const isOurs = error.code === 'cancelled' && isOrchestratorError(error.cause);
  return problemOfJson(
    (isOurs ? (error.cause as OrchestratorError) : error).toJSON(),
    output ?? error.output,
  );
}

/** The same for an error that was written down. */
export function problemOfJson(
  json: { readonly code: string; readonly message: string; readonly [field: string]: unknown },
  output?: OrchestrationOutput,
): Problem {
  const { code, message, name, retryAfterMs, ...details } = json;
  // The key in the error is the caller's and ours in one; the caller knows its own.
  if (name === 'ConflictError') return new Problem(422, code, KEY_CONFLICT);
  // Refused by the tool's `input`, before anything was called.
  const isRefused = code === 'validation' && output?.metadata.attempts === 0;
  const status = isRefused ? 400 : (STATUSES[code] ?? 502);
  const extras = {
    ...details,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(output === undefined ? {} : { output }),
  };
  return new Problem(status, code, message, extras, retryAfter(retryAfterMs));
}

/** The header takes whole seconds. */
export function retryAfter(ms: unknown): Record<string, string> {
  return typeof ms === 'number' && Number.isFinite(ms)
    ? { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) }
    : {};
}
