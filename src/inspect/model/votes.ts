import type { JsonObject, JsonValue } from '../../core/json.js';
import type { SaidEvent } from '../records.js';
import type { VotesView } from './views.js';

/** Takes what a bundle says into its votes. */
export function noteVote(votes: VotesView, event: SaidEvent): void {
  switch (event.type) {
    case 'replicate_started': {
      const id = String(event.data.id);
      votes.replicates.set(id, {
        id,
        status: 'asked',
        answer: undefined,
        attempts: 0,
        elapsedMs: 0,
        costUsd: 0,
        problem: undefined,
      });
      return;
    }
    case 'replicate_done': {
      const { id, status, answer, attempts, elapsedMs, costUsd, problem } = event.data;
      votes.replicates.set(String(id), {
        id: String(id),
        status: String(status),
        answer: answer as JsonValue | undefined,
        attempts: attempts ?? 0,
        elapsedMs: elapsedMs ?? 0,
        costUsd: costUsd ?? 0,
        problem,
      });
      return;
    }
    case 'partial_summary':
      if (!votes.isReady) votes.summary = event.data as JsonObject;
      return;
    case 'bundle_ready':
      votes.summary = event.data as JsonObject;
      votes.isReady = true;
      return;
    default:
  }
}

/** How many gave each answer, the most frequent first; answers are compared as JSON text. */
export function answersOf({
  replicates,
}: VotesView): { readonly answer: string; readonly ids: readonly string[] }[] {
  const groups = new Map<string, string[]>();
  for (const { id, status, answer } of replicates.values()) {
    if (status !== 'valid' || answer === undefined) continue;
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
    groups.set(text, [...(groups.get(text) ?? []), id]);
  }
  return [...groups].map(([answer, ids]) => ({ answer, ids })).sort((a, b) => b.ids.length - a.ids.length);
}
