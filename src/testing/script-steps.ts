import * as z from 'zod';
import { parseOptions } from '../core/parse.js';
import { toolResult, type ToolEmission } from '../core/tool.js';
import type { ReportedUsage } from '../core/usage.js';
import { LONGEST_MS } from '../runtime/timers.js';
import type { ScriptStep } from './scripted-call.js';
import { connectionError, httpError, NOT_JSON } from './tool-faults.js';
import { never, wait } from './waiting.js';

const wholeWait = z.number().min(0).max(LONGEST_MS);
const httpStatus = z.int().min(100).max(599);

/** Answers, with a usage if one is given. */
export function ok(...given: [content?: unknown, usage?: ReportedUsage]): ScriptStep {
  // `ok(undefined)` gives nothing, as a tool may.
  const [content, usage] = given.length === 0 ? ['ok'] : given;
  return () => (usage ? toolResult({ content, usage }) : content);
}

/**
 * Fails with an HTTP status; `fields` are put on the error.
 *
 * @throws {InvalidOptionsError} for what is no status from 100 to 599.
 */
export function fail(status: number, fields: Record<string, unknown> = {}): ScriptStep {
  parseOptions(httpStatus, status, 'status');
  return () => {
    throw httpError(status, fields);
  };
}

/** Fails with 429 and, if given, the wish to be called later. */
export function rateLimited(options: { retryAfterMs?: number } = {}): ScriptStep {
  return fail(429, options);
}

/** Fails as `fetch` does when the connection breaks. `ECONNREFUSED` and its like say that nothing had been sent yet. */
export function disconnects(code = 'ECONNRESET'): ScriptStep {
  return () => {
    throw connectionError(code);
  };
}

/** Fails as `fetch` does when a time limit of the tool's own (`AbortSignal.timeout`) has passed. */
export function timesOut(): ScriptStep {
  return () => {
    throw new DOMException('The operation was aborted due to timeout', 'TimeoutError');
  };
}

/** Throws what it is given. */
export function throws(error: unknown): ScriptStep {
  return () => {
    throw error;
  };
}

/** Answers with what is no JSON: a Map. */
export function badOutput(usage?: ReportedUsage): ScriptStep {
  return ok(NOT_JSON, usage);
}

/** Answers with a text nobody asked for, the page of a proxy: only an `output` schema tells it from an answer. */
export function nonsense(usage?: ReportedUsage): ScriptStep {
  return ok('<html><body><h1>502 Bad Gateway</h1></body></html>', usage);
}

/** Never answers, but obeys its signal. */
export function hang(): ScriptStep {
  return ({ context }) => never(context.signal);
}

/** Never answers, whatever its signal says. */
export function ignoreAbort(): ScriptStep {
  return () => never();
}

/**
 * Does the next thing after some time, in milliseconds, and obeys its signal meanwhile.
 *
 * @throws {InvalidOptionsError} when `ms` is no number from 0 to 2^31 - 1.
 */
export function slow(ms: number, then: ScriptStep = ok()): ScriptStep {
  parseOptions(wholeWait, ms, 'ms');
  return (call) => wait(call.clock, ms, call.context.signal).then(() => then(call));
}

/**
 * Does the next thing after some time, in milliseconds, whatever its signal says: once aborted, its answer comes late.
 *
 * @throws {InvalidOptionsError} when `ms` is no number from 0 to 2^31 - 1.
 */
export function late(ms: number, then: ScriptStep = ok()): ScriptStep {
  parseOptions(wholeWait, ms, 'ms');
  return (call) => wait(call.clock, ms).then(() => then(call));
}

/** Emits events, then does the next thing. */
export function emits(events: readonly ToolEmission[], then: ScriptStep = ok()): ScriptStep {
  return (call) => {
    for (const event of events) call.context.emit(event);
    return then(call);
  };
}

/** Charges usage while the call goes on, then does the next thing. */
export function charges(usage: ReportedUsage, then: ScriptStep = ok()): ScriptStep {
  return (call) => {
    call.context.budget.charge(usage);
    return then(call);
  };
}
