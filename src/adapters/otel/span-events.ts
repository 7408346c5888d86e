import type { Attributes, Span } from '@opentelemetry/api';
import type { TraceEvent } from '../../index.js';
import * as names from './names.js';

/** Adds what happened to a span, under the name the event has in the run's stream. */
export function addEvent(span: Span, event: TraceEvent): void {
  if (event.type === 'run_started' || event.type === 'bundle_ready') return;
  span.addEvent(event.type, attributesOf(event));
}

function attributesOf(event: Exclude<TraceEvent, { type: 'run_started' | 'bundle_ready' }>): Attributes {
  switch (event.type) {
    case 'tool_started':
      return { [names.ATTEMPT]: event.attempt, [names.HEDGE]: event.hedge };
    case 'attempt_failed':
      return known({
        [names.ATTEMPT]: event.attempt,
        [names.ERROR_TYPE]: event.category,
        [names.HTTP_STATUS]: event.status,
        [names.RETRY_AFTER_MS]: event.retryAfterMs,
      });
    case 'retry_scheduled':
      return { [names.ATTEMPT]: event.attempt, [names.DELAY_MS]: event.delayMs };
    case 'fallback_started':
      return {
        [names.FALLBACK_FROM]: event.fromTool,
        [names.FALLBACK_TO]: event.toolName,
        [names.ERROR_TYPE]: event.reason,
      };
    case 'breaker_changed':
      return {
        [names.PROVIDER]: event.provider,
        [names.BREAKER_FROM]: event.from,
        [names.BREAKER_TO]: event.to,
        [names.BREAKER_REASON]: event.reason,
      };
    case 'budget_warning':
      return {
        [names.BUDGET_RESOURCE]: event.resource,
        [names.BUDGET_LIMIT]: event.limit,
        [names.BUDGET_SPENT]: event.spent,
      };
    case 'warning':
      return { [names.WARNING_CODE]: event.code };
  }
}

/** Without what is undefined, which some exporters show as an empty text. */
export function known(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
