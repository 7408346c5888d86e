import { describeError, isOrchestratorError, type FailureCategory } from './errors.js';
import { causeChain, field, readRetryAfter } from './retry-after.js';

/** An error, judged. */
export interface Failure {
  readonly category: FailureCategory;
  /** Worth another call of the same tool. */
  readonly retryable: boolean;
  /** Whether the provider's breaker counts it; else it is neutral. */
  readonly countsForBreaker: boolean;
  /** True when the call certainly had no effect and cost nothing. */
  readonly precedesExecution: boolean;
  readonly message: string;
  readonly status?: number;
  /** The provider's own wish, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Epoch milliseconds until which the provider asked to be left alone: its breaker opens until then. */
  readonly openUntil?: number;
}

/** What a user's `classify` may answer: a category, or any of the judgements. */
export type Verdict =
  | FailureCategory
  | {
      readonly category?: FailureCategory;
      readonly retryable?: boolean;
      readonly countsForBreaker?: boolean;
      readonly precedesExecution?: boolean;
      readonly retryAfterMs?: number;
      readonly openUntil?: number;
    };

const RETRIED: ReadonlySet<FailureCategory> = new Set(['rate_limit', 'timeout', 'network', 'server']);
const COUNTED: ReadonlySet<FailureCategory> = new Set(['timeout', 'network', 'server']);
/** Refused at the provider's door: no work was done, nothing is billed. */
const REFUSED_AT_DOOR: ReadonlySet<FailureCategory> = new Set([
  'authentication',
  'permission',
  'validation',
  'not_found',
  'conflict',
  'quota',
  'rate_limit',
]);

const CATEGORIES: ReadonlySet<string> = new Set<FailureCategory>([
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
]);

/** Judges an error by its structured fields; its message is read only when there are none. */
export function classifyError(error: unknown, now: number): Failure {
  const found = findCategory(error);
  const retryAfterMs = readRetryAfter(error, now);
  return makeFailure(found.category, {
    message: describeWithCause(error),
    ...(found.status === undefined ? {} : { status: found.status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(found.neverConnected ? { precedesExecution: true } : {}),
    // A nested run's provider has had its own breaker count this.
    ...(isOrchestratorError(error) ? { countsForBreaker: false } : {}),
  });
}

/** "fetch failed" says nothing without what it was caused by. */
function describeWithCause(error: unknown): string {
  const message = withoutColours(describeError(error));
  const cause = field(error, 'cause');
  if (typeof cause !== 'object' || cause === null || isOrchestratorError(error)) return message;
  const because = withoutColours(describeError(cause));
  return message.includes(because) ? message : `${message.replace(/\.$/, '')}: ${because}`;
}

/** Some libraries write messages for a terminal. */
function withoutColours(message: string): string {
  return message.replaceAll(COLOURS, '').trim();
}

const COLOURS = new RegExp(`${String.fromCodePoint(27)}\\[[\\d;]*m`, 'g');

/** A failure of a category with that category's defaults. */
export function makeFailure(
  category: FailureCategory,
  fields: Partial<Failure> & { readonly message: string },
): Failure {
  return {
    category,
    retryable: RETRIED.has(category),
    countsForBreaker: COUNTED.has(category),
    precedesExecution: REFUSED_AT_DOOR.has(category),
    ...fields,
  };
}

/** Whether a value says anything a failure could be judged by. */
export function isVerdict(value: unknown): boolean {
  if (typeof value === 'string') return CATEGORIES.has(value);
  const category = field(value, 'category');
  return (
    (typeof category === 'string' && CATEGORIES.has(category)) ||
    FLAGS.some((key) => typeof field(value, key) === 'boolean') ||
    AMOUNTS.some((key) => isAmount(field(value, key)))
  );
}

const FLAGS = ['retryable', 'countsForBreaker', 'precedesExecution'] as const;
const AMOUNTS = ['retryAfterMs', 'openUntil'] as const;

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** Applies a user's verdict to a failure. Anything that is no verdict changes nothing. */
export function applyVerdict(failure: Failure, verdict: unknown): Failure {
  const given = typeof verdict === 'string' ? { category: verdict } : verdict;
  const category = field(given, 'category');
  const judged =
    typeof category === 'string' && CATEGORIES.has(category) && category !== failure.category
      ? { ...failure, ...makeFailure(category as FailureCategory, { message: failure.message }) }
      : failure;
  const overrides: Record<string, unknown> = {};
  for (const key of FLAGS) {
    if (typeof field(given, key) === 'boolean') overrides[key] = field(given, key);
  }
  for (const key of AMOUNTS) {
    if (isAmount(field(given, key))) overrides[key] = field(given, key);
  }
  return { ...judged, ...overrides };
}

interface Found {
  readonly category: FailureCategory;
  readonly status?: number;
  readonly neverConnected?: boolean;
}

function findCategory(error: unknown): Found {
  const chain = causeChain(error);
  // A quota that is spent often comes as a 429, sometimes with its code further down.
  for (const link of chain) {
    if (!readCodes(link).some((code) => lookUp(CODES, code) === 'quota')) continue;
    const status = chain.map(readStatus).find((known) => known !== undefined);
    return { category: 'quota', ...(status === undefined ? {} : { status }) };
  }
  for (const link of chain) {
    const found = byStructure(link);
    if (found) return found;
  }
  for (const link of chain) {
    const several = byMembers(link);
    if (several) return several;
  }
  for (const link of chain) {
    const name = field(link, 'name');
    if (typeof name === 'string' && LOCAL_NAMES.has(name)) return { category: 'local' };
  }
  return { category: chain.length === 0 ? 'unknown' : byMessage(describeError(chain[0])) };
}

function byStructure(link: unknown): Found | undefined {
  const status = readStatus(link);
  const withStatus = status === undefined ? {} : { status };
  const own = field(link, 'category');
  if (typeof own === 'string' && CATEGORIES.has(own))
    return { category: own as FailureCategory, ...withStatus };
  for (const code of readCodes(link)) {
    const category =
      lookUp(CODES, code) ?? (isOrchestratorError(link) && CATEGORIES.has(code) ? code : undefined);
    if (category) {
      return {
        category: category as FailureCategory,
        ...withStatus,
        ...(NEVER_CONNECTED.has(code) ? { neverConnected: true } : {}),
      };
    }
  }
  if (status !== undefined) {
    const category = byStatus(status);
    if (category) return { category, status };
  }
  const name = field(link, 'name');
  const byName = typeof name === 'string' ? lookUp(NAMES, name) : undefined;
  return byName && { category: byName };
}

function lookUp(table: Readonly<Record<string, FailureCategory>>, key: string): FailureCategory | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** An AggregateError without fields of its own: the first member that is not worth a retry decides. */
function byMembers(link: unknown): Found | undefined {
  const members = field(link, 'errors');
  if (!Array.isArray(members) || members.length === 0) return undefined;
  const found = members.slice(0, 20).map((member) => {
    const chain = causeChain(member);
    return chain.map(byStructure).find((hit) => hit) ?? { category: byMessage(describeError(chain[0])) };
  });
  return found.find((member) => !RETRIED.has(member.category)) ?? found[0];
}

function readStatus(link: unknown): number | undefined {
  const candidates = [
    field(link, 'status'),
    field(link, 'statusCode'),
    field(field(link, 'response'), 'status'),
    field(field(link, 'response'), 'statusCode'),
    field(field(link, '$metadata'), 'httpStatusCode'),
  ];
  for (const candidate of candidates) {
    if (typeof candidate === 'number' && candidate >= 100 && candidate < 600) return candidate;
  }
  return undefined;
}

/** Codes and types of the error, of a provider's error body inside it, most telling first. */
function readCodes(link: unknown): string[] {
  const bodies = [
    link,
    field(link, 'error'),
    field(field(link, 'error'), 'error'),
    field(field(link, 'data'), 'error'),
  ];
  return bodies
    .flatMap((body) => [field(body, 'code'), field(body, 'type')])
    .filter((code): code is string => typeof code === 'string');
}

function byStatus(status: number): FailureCategory | undefined {
  if (status >= 500) return RETRIED_5XX.has(status) ? 'server' : 'unknown';
  return STATUSES[status] ?? (status >= 400 ? 'validation' : undefined);
}

const RETRIED_5XX: ReadonlySet<number> = new Set([500, 502, 503, 504, 520, 521, 522, 523, 524, 529]);

const STATUSES: Readonly<Record<number, FailureCategory>> = {
  401: 'authentication',
  402: 'quota',
  403: 'permission',
  404: 'not_found',
  408: 'timeout',
  409: 'conflict',
  410: 'not_found',
  425: 'server',
  429: 'rate_limit',
};

const CODES: Readonly<Record<string, FailureCategory>> = {
  insufficient_quota: 'quota',
  billing_hard_limit_reached: 'quota',
  credit_balance_too_low: 'quota',
  rate_limit_exceeded: 'rate_limit',
  rate_limit_error: 'rate_limit',
  overloaded_error: 'server',
  server_error: 'server',
  api_error: 'server',
  timeout_error: 'timeout',
  authentication_error: 'authentication',
  invalid_api_key: 'authentication',
  permission_error: 'permission',
  permission_denied: 'permission',
  not_found_error: 'not_found',
  model_not_found: 'not_found',
  invalid_request_error: 'validation',
  context_length_exceeded: 'validation',
  content_filter: 'content_filter',
  content_policy_violation: 'content_filter',
  ECONNREFUSED: 'network',
  ECONNRESET: 'network',
  ECONNABORTED: 'network',
  ENOTFOUND: 'network',
  EAI_AGAIN: 'network',
  EHOSTUNREACH: 'network',
  ENETUNREACH: 'network',
  EPIPE: 'network',
  UND_ERR_SOCKET: 'network',
  UND_ERR_CONNECT_TIMEOUT: 'network',
  ETIMEDOUT: 'timeout',
  ESOCKETTIMEDOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  ABORT_ERR: 'cancelled',
  ERR_CANCELED: 'cancelled',
};

const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const NAMES: Readonly<Record<string, FailureCategory>> = {
  TimeoutError: 'timeout',
  AbortError: 'cancelled',
  ZodError: 'validation',
};

const LOCAL_NAMES: ReadonlySet<string> = new Set([
  'TypeError',
  'ReferenceError',
  'RangeError',
  'SyntaxError',
  'EvalError',
]);

function byMessage(message: string): FailureCategory {
  if (/\b(timed out|timeout exceeded|request timeout)\b|^timeout$/i.test(message)) return 'timeout';
  if (/\b(rate limit(ed)?|too many requests)\b/i.test(message)) return 'rate_limit';
  if (/\b(socket hang up|fetch failed|network error|ECONN[A-Z]+)\b/i.test(message)) return 'network';
  if (/\b(service unavailable|bad gateway|internal server error|overloaded)\b/i.test(message))
    return 'server';
  return 'unknown';
}
