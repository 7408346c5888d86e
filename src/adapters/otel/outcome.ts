import { SpanStatusCode, type Span } from '@opentelemetry/api';
import { shown } from './content.js';
import { ERROR_TYPE } from './names.js';

interface Ending {
  readonly status: string;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

const FINE: ReadonlySet<string> = new Set(['completed', 'partial', 'valid', 'cancelled']);

/** What the conventions want as `error.type`. A cancelled run is no error: its status tells it apart. */
export function errorTypeOf({ status, code }: Ending): string | undefined {
  return FINE.has(status) ? undefined : (code ?? '_OTHER');
}

/** Marks a span as failed. Without content its message is the code alone, for that of an error may quote a request. */
export function markFailed(span: Span, ending: Ending, showsContent: boolean): void {
  const type = errorTypeOf(ending);
  if (type === undefined) return;
  span.setAttribute(ERROR_TYPE, type);
  const message = showsContent && ending.message !== undefined ? shown(ending.message) : undefined;
  span.setStatus({ code: SpanStatusCode.ERROR, message: message ?? type });
  if (message !== undefined)
    span.addEvent('exception', { 'exception.type': type, 'exception.message': message });
}
