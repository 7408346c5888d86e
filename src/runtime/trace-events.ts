import type { RunEventBody } from '../core/events.js';
import type { TraceEvent } from '../core/tracing.js';

/** What a tracing is told of an event: never its content. Undefined: nothing. */
export function traceEvent(body: RunEventBody): TraceEvent | undefined {
  switch (body.type) {
    case 'run_started':
      return { type: body.type, strategy: body.strategy, plan: body.plan };
    case 'tool_started':
      return { type: body.type, attempt: body.attempt, hedge: body.hedge };
    case 'attempt_failed': {
      const { category, status, retryAfterMs } = body.failure;
      const { type, toolName, attempt } = body;
      return { type, toolName, attempt, category, status, retryAfterMs };
    }
    case 'retry_scheduled': {
      const { type, toolName, attempt, delayMs } = body;
      return { type, toolName, attempt, delayMs };
    }
    case 'fallback_started': {
      const { type, fromTool, toolName, reason } = body;
      return { type, fromTool, toolName, reason };
    }
    case 'breaker_changed': {
      const { type, provider, from, to, reason } = body;
      return { type, provider, from, to, reason };
    }
    case 'budget_warning': {
      const { type, resource, limit, spent } = body;
      return { type, resource, limit, spent };
    }
    case 'warning':
      return { type: body.type, code: body.code };
    case 'bundle_ready':
      return {
        type: body.type,
        k: amount(body.data.k),
        issued: amount(body.data.issued),
        valid: amount(body.data.valid),
        stopReason: STOP_REASON.test(String(body.data.stopReason)) ? String(body.data.stopReason) : undefined,
      };
    default:
      return undefined;
  }
}

/** A tool may send a `bundle_ready` of its own, with anything in it: only what looks like a word is passed on. */
const STOP_REASON = /^[a-z_]{1,32}$/;

function amount(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
