import { TerminalError } from '@restatedev/restate-sdk';
import { OrchestratorError } from '../core/errors.js';
import type { RunEventBody } from '../core/events.js';
import type { StepRecord } from './step.js';
import type { ReplicateAnswer, RunAnswer } from './wire.js';

/**
 * What a journal keeps in one entry, and of all calls of one run, in bytes: a server takes no entry over 32 MiB, and would
 * have whatever made it done again; a run whose calls are over that together never hears of the last one.
 */
const MOST_BYTES = 31 * 1024 * 1024;

/**
 * A call whose answer is too large has an invalid one, like any that is over `maxOutputBytes`.
 *
 * @param kept bytes of the calls before.
 */
export function fittingStep(given: Omit<StepRecord, 'bytes'>, kept: number): StepRecord {
  const record = sized(given);
  const { outcome } = record;
  // Errors and what a tool sent are cut to size where they are noted.
  if (outcome.kind !== 'answered' || kept + record.bytes <= MOST_BYTES) return record;
  const problem = `Its content is not usable: the calls of its run have over ${MOST_BYTES} bytes together, with metadata and events, more than Restate keeps.`;
  // What it has charged, and warned of, is kept.
  const notes = given.notes.filter(({ kind }) => kind !== 'event');
  return sized({ ...given, notes, outcome: { kind: 'invalid', problem, usage: outcome.usage } });
}

function sized(record: Omit<StepRecord, 'bytes'>): StepRecord {
  return { ...record, bytes: bytesOf(record) };
}

/** The answer of a run: without what tools sent, and at last without content, where there is too much. */
export function fittingAnswer(answer: RunAnswer): RunAnswer {
  const fitting = fitted(answer);
  if (fitting) return fitting;
  const error = new OrchestratorError(
    'internal',
    `The answer of the run has over ${MOST_BYTES} bytes, more than Restate keeps. Have it return less, or where it is.`,
  ).toJSON();
  const { output, cause: _, ...rest } = withoutPayloads(answer);
  const told = output && { ...output, status: 'failed' as const, content: undefined, error };
  return { ...rest, error, ...(told ? { output: told as typeof output } : {}) };
}

/** @throws {TerminalError} where an answer is too large whatever is left out: its bundle goes on without it. */
export function fittingReplicate(answer: ReplicateAnswer): ReplicateAnswer {
  const fitting = fitted(answer);
  if (fitting) return fitting;
  throw new TerminalError(`The replicate's answer has over ${MOST_BYTES} bytes, more than Restate keeps`);
}

interface WithEvents {
  readonly events: readonly RunEventBody[];
}

/** As it is, or without what tools sent; undefined: it is too large all the same. */
function fitted<A extends WithEvents>(answer: A): A | undefined {
  if (bytesOf(answer) <= MOST_BYTES) return answer;
  const brief = withoutPayloads(answer);
  return bytesOf(brief) <= MOST_BYTES ? brief : undefined;
}

function withoutPayloads<A extends WithEvents>(answer: A): A {
  const events = answer.events.filter(({ type }) => type !== 'delta' && type !== 'tool_event');
  return { ...answer, events };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
