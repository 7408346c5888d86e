import { isOrchestratorError } from '../../index.js';
import { problemOf, problemOfJson } from './problem.js';
import type { KnownRun, RunEnd } from './runs.js';

/** A run as its caller reads it. */
export function describe({ run, end }: KnownRun): object {
  const about = { id: run.id, traceId: run.traceId };
  if (end === undefined) {
    return { ...about, status: 'running', snapshot: run.snapshot() };
  }
  if (end.output !== undefined) return { ...about, status: end.output.status, output: end.output };
  const { error } = end as Extract<RunEnd, { error: unknown }>;
  return { ...about, status: 'rejected', error: errorOf(error) };
}

/** An error as callers may hear of it. */
export function errorOf(error: unknown): { readonly code: string; readonly message: string } {
  return isOrchestratorError(error) ? error.toJSON() : { code: 'internal', message: 'The run failed.' };
}

export function acceptedResponse(known: KnownRun): Response {
  const { run } = known;
  return json(202, describe(known), { location: `runs/${run.id}`, 'troupe-run-id': run.id });
}

/** An answer is one; how a run ended without it is a problem. */
export function endResponse(known: KnownRun): Response {
  const { run } = known;
  const end = known.end!;
  const { output } = end;
  if (output && (output.status === 'completed' || output.status === 'partial')) {
    return json(200, describe(known), { location: `runs/${run.id}`, 'troupe-run-id': run.id });
  }
  const problem = 'error' in end ? problemOf(end.error) : problemOfJson(output!.error!, output);
  const response = problem.toResponse();
  response.headers.set('troupe-run-id', run.id);
  return response;
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  });
}
