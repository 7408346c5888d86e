import type { FailureCategory } from '../../index.js';

/** What is known of an error that the SDK, or its provider, threw or sent. */
export interface ProviderError {
  readonly message: string;
  /** The provider's own, `insufficient_quota` for one. */
  readonly code?: string;
  readonly status?: number;
  /** Where code, status and the causes do not tell. */
  readonly category?: FailureCategory;
}

/**
 * The SDK's errors that have neither code nor status, by name. A response nobody could read is a fault of the server, not of
 * the request: without this table the schema's error that caused it would look like a bad request.
 */
const BY_NAME: Readonly<Record<string, FailureCategory>> = {
  AI_JSONParseError: 'server',
  AI_TypeValidationError: 'server',
  AI_InvalidResponseDataError: 'server',
  AI_EmptyResponseBodyError: 'server',
  AI_NoContentGeneratedError: 'server',
  AI_NoOutputGeneratedError: 'network',
  AI_LoadAPIKeyError: 'authentication',
  // Of a model named by an id alone, without a key for the gateway: in development, in production.
  GatewayAuthenticationError: 'authentication',
  GatewayError: 'authentication',
  AI_LoadSettingError: 'validation',
  AI_NoSuchModelError: 'not_found',
  AI_NoSuchProviderError: 'not_found',
  AI_InvalidPromptError: 'validation',
  AI_InvalidArgumentError: 'validation',
  AI_InvalidDataContentError: 'validation',
  AI_InvalidMessageRoleError: 'validation',
  AI_MessageConversionError: 'validation',
  AI_UnsupportedFunctionalityError: 'validation',
  AI_UnsupportedModelVersionError: 'validation',
  // Not from our signal, or the call would have been cancelled: something between us and the provider gave up.
  AbortError: 'network',
  ResponseAborted: 'network',
};

/** Reads the structured fields of an error: thrown, or sent in a stream as a plain object. */
export function readProviderError(error: unknown): ProviderError {
  const found = readBody(error);
  const message = textOf(error) ?? found.message ?? 'The provider sent an error without a message.';
  // An error may come with status 200, and with its status as its code.
  const status = asStatus(fieldOf(error, 'statusCode')) ?? found.status;
  const code = codeIn(message, status) ?? telling(found.code, status);
  const category = status === undefined ? categoryOf(error, code) : undefined;
  return {
    message,
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(category === undefined ? {} : { category }),
  };
}

function categoryOf(error: unknown, code: string | undefined): FailureCategory | undefined {
  const chain = [error, causeOf(error), causeOf(causeOf(error))];
  for (const link of chain) {
    const name = (link as Partial<Error> | undefined)?.name;
    if (typeof name === 'string' && Object.hasOwn(BY_NAME, name)) return BY_NAME[name];
  }
  // A piece of a stream that says no more than that there was an error.
  return error instanceof Error || code !== undefined ? undefined : 'server';
}

/** Anthropic tells a spent balance from a bad request by its words alone. */
function codeIn(message: string, status: number | undefined): string | undefined {
  return status === 400 && /credit balance is too low/i.test(message) ? 'credit_balance_too_low' : undefined;
}

/** With this some providers say no more than that it is the caller's fault: then the status tells more. */
function telling(code: string | undefined, status: number | undefined): string | undefined {
  return code === 'invalid_request_error' && status !== undefined ? undefined : code;
}

function asStatus(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 400 && value < 600 ? value : undefined;
}

interface Body {
  readonly message?: string;
  readonly code?: string;
  readonly status?: number;
}

/** The provider's error object: in the parsed data, in the body, in what could not be validated, or the value itself. */
function readBody(error: unknown): Body {
  const candidates = [
    fieldOf(error, 'data'),
    parsed(fieldOf(error, 'responseBody')),
    fieldOf(error, 'value'),
    fieldOf(causeOf(error), 'value'),
    error instanceof Error ? undefined : error,
  ];
  for (const candidate of candidates) {
    // Google sends a list with one error in streams.
    const holder: unknown = Array.isArray(candidate) ? candidate[0] : candidate;
    const body = fieldOf(holder, 'error') ?? holder;
    const code = [fieldOf(body, 'code'), fieldOf(body, 'type')].find((value) => typeof value === 'string');
    const status = asStatus(fieldOf(body, 'code') ?? fieldOf(body, 'status'));
    const message = fieldOf(body, 'message');
    if (code === undefined && status === undefined && typeof message !== 'string') continue;
    return {
      ...(typeof message === 'string' ? { message } : {}),
      ...(typeof code === 'string' ? { code } : {}),
      ...(status === undefined ? {} : { status }),
    };
  }
  return {};
}

function parsed(body: unknown): unknown {
  if (typeof body !== 'string') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function textOf(error: unknown): string | undefined {
  if (typeof error === 'string') return error;
  const message = error instanceof Error ? error.message : undefined;
  return message === '' ? undefined : message;
}

function causeOf(error: unknown): unknown {
  return fieldOf(error, 'cause');
}

function fieldOf(holder: unknown, key: string): unknown {
  return typeof holder === 'object' && holder !== null ? (holder as Record<string, unknown>)[key] : undefined;
}
