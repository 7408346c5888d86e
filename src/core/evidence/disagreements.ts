import type { JsonValue } from '../json.js';
import { isSetChoice } from './field-tally.js';
import { errorsOfVote, type FieldVote, type Side } from './field-vote.js';
import type { BundleLimits, CutList } from './limits.js';
import type { DistinctAnswer, Draw } from './tally.js';

/** A path where the replicates gave more than one value. */
export type Disagreement = {
  /** JSON Pointer (RFC 6901); the empty string is the whole answer. */
  path: string;
  /**
   * Every value, the leading one first, then by votes. At a set-like list these are the members that not all
   * hold, and `count` says how many hold each.
   */
  values: DisagreementValue[];
};

export type DisagreementValue = {
  /** Missing where `absent`, so that not having a field differs from null in it. */
  value?: JsonValue;
  absent?: boolean;
  /** Votes: as many as there are ids, before any cut. */
  count: number;
  /** The replicates that voted for it, in index order. */
  replicateIds: string[];
};

/**
 * Lists what the replicates disagree about, within `limits`, noting every cut. Yields after each path.
 *
 * @param votes of all fields, sorted by path
 * @param answers those that voted, as the voters of the choices number them
 */
export function* disagreementsOf(
  votes: readonly FieldVote[],
  answers: readonly DistinctAnswer[],
  limits: BundleLimits,
  cuts: CutList,
): Generator<void, Disagreement[]> {
  const contested: Contest[] = [];
  for (const vote of votes) {
    const rows = rowsOf(vote);
    if (rows.length > 0) contested.push({ path: vote.path, error: Math.max(...errorsOfVote(vote)), rows });
    yield;
  }
  const listed = leastCertain(contested, limits.disagreements);
  cuts.note('disagreements', listed.length, contested.length);

  const result: Disagreement[] = [];
  let room = limits.bytes;
  for (const { path, rows } of listed) {
    const values: DisagreementValue[] = [];
    for (const row of rows.slice(0, limits.values)) {
      const voters = votersOf(row, answers);
      const replicateIds = voters.slice(0, limits.replicateIds).map((draw) => draw.id);
      room -= row.side.key.length + replicateIds.reduce((sum, id) => sum + id.length + 3, 0);
      if (room < 0) break;
      cuts.note('replicateIds', replicateIds.length, voters.length, path);
      const { absent, value, votes: count } = row.side;
      const shown = absent ? { absent } : { value: value as JsonValue };
      values.push({ count, replicateIds, ...shown });
    }
    cuts.note('values', values.length, rows.length, path);
    if (values.length > 0) result.push({ path, values });
    yield;
  }
  return result;
}

/** The items with the largest error, in their original order. */
export function leastCertain<T extends { error: number }>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  const kept = new Set([...items].sort((a, b) => b.error - a.error).slice(0, count));
  return items.filter((item) => kept.has(item));
}

type Row = { side: Side; among: readonly Side[] };
type Contest = { path: string; error: number; rows: Row[] };

/**
 * What to list for a field: all sides, but of a set-like list those who hold each member instead of the list
 * itself.
 */
function rowsOf({ sides, members }: FieldVote): Row[] {
  const rows = sides.length > 1 ? sides.map((side) => ({ side, among: sides })) : [];
  const membersRows = members.flatMap((member) => (member.sides.length > 1 ? holders(member) : []));
  return [...rows.filter(({ side }) => !side.choices.some(isSetChoice)), ...membersRows];
}

function holders({ sides }: FieldVote): Row[] {
  return sides.filter((side) => !side.absent).map((side) => ({ side, among: sides }));
}

function votersOf({ side, among }: Row, answers: readonly DistinctAnswer[]): Draw[] {
  const positions = (of: Side): number[] => of.choices.flatMap((choice) => choice.voters ?? []);
  let chosen: readonly DistinctAnswer[];
  if (side.absent) {
    const present = new Set(among.flatMap(positions));
    chosen = answers.filter((_, position) => !present.has(position));
  } else chosen = positions(side).map((position) => answers[position] as DistinctAnswer);
  return chosen.flatMap((answer) => answer.voters).sort((a, b) => a.index - b.index);
}
