import type { JsonValue } from '../json.js';
import type { WeightedNumber } from './clusters.js';
import { leastCertain } from './disagreements.js';
import type { DistanceOptions } from './distance.js';
import { describeNumbers, type Distribution } from './distributions.js';
import { FieldTally, type Field } from './field-tally.js';
import { errorsOfVote, fieldVote, valueOfVote, type FieldVote, type Side } from './field-vote.js';
import { isObject } from './leaves.js';
import type { BundleLimits, CutList } from './limits.js';
import type { Choice } from './poll.js';
import { unionBound } from './posterior.js';
import { representativeOf, type Candidate } from './proximity.js';
import type { Tally } from './tally.js';

/** What the replicates say about one field. */
export type FieldSummary = {
  /**
   * The value that leads, of a set-like list the members that more than half hold; missing where `absent`.
   */
  value?: JsonValue;
  /** Set where leaving the field out leads. */
  absent?: boolean;
  /** False on a tie, and for free text without a majority. */
  agreed: boolean;
  /**
   * Posterior probability that what leads is the mode of this field; of a set-like list the union bound over
   * its members.
   */
  confidence: number;
  /** Votes for what leads. */
  votes: number;
  runnerUpVotes: number;
  /** The given text closest to all others, for free text without a majority. */
  representative?: JsonValue;
};

/**
 * Votes of a tally's answers, field by field, sorted by path. Where there is more than can be kept field by
 * field, each answer is one field and a warning says so. Yields after each answer and each field.
 */
export function* collectFieldVotes(tally: Tally): Generator<void, FieldVote[]> {
  let fieldTally = yield* tallyFields(tally, false);
  if (fieldTally.overflowed) {
    const message = 'The answers have too many different fields and values: they were voted on as wholes.';
    tally.warningLog.add({ code: 'fields_limited', message });
    fieldTally = yield* tallyFields(tally, true);
  }
  dropEmptyRoot(fieldTally);
  const paths: Field[] = [];
  const members = new Map<string, Field[]>();
  for (const field of fieldTally.fields.values()) {
    if (field.memberKey === undefined) paths.push(field);
    else if (!members.get(field.path)?.push(field)) members.set(field.path, [field]);
  }
  const votes: FieldVote[] = [];
  for (const field of paths.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const ofMembers = (members.get(field.path) ?? [])
      .sort((a, b) => ((a.memberKey as string) < (b.memberKey as string) ? -1 : 1))
      .map((member) => fieldVote(fieldTally, member, undefined));
    votes.push(fieldVote(fieldTally, field, tally.tolerance, ofMembers));
    yield;
  }
  return votes;
}

/**
 * An empty object beside objects with fields differs from them in those fields alone, not at the root as
 * well.
 */
function dropEmptyRoot({ fields }: FieldTally): void {
  const onlyEmpty = fields.get('')?.poll.choices.every(({ value }) => isObject(value));
  if (onlyEmpty && fields.size > 1) fields.delete('');
}

function* tallyFields(tally: Tally, whole: boolean): Generator<void, FieldTally> {
  const fieldTally = new FieldTally({ sets: tally.sets, keepVoters: true, whole });
  for (const { value, key, firstIndex, voters, choice } of tally.answers) {
    // A tool's own notion of equality is about whole answers: only where one is a single field does it decide
    // that field.
    const rootKey = whole || tally.hasEquivalent ? choice.key : key;
    fieldTally.add(value, firstIndex, voters.length, rootKey);
    yield;
  }
  return fieldTally;
}

/** The fields by path, at most `limits.fields` of them, the least certain ones. Yields after each. */
export function* summarizeFields(
  votes: readonly FieldVote[],
  limits: BundleLimits,
  cuts: CutList,
  options: DistanceOptions,
): Generator<void, Record<string, FieldSummary>> {
  const listed = leastCertain(votes, limits.fields);
  cuts.note('fields', listed.length, votes.length);
  const fields: [string, FieldSummary][] = [];
  for (const vote of listed) {
    const { path, sides, leading, runnerUpVotes, freeText, agreed } = vote;
    const value = valueOfVote(vote);
    const representative =
      freeText && !agreed ? yield* representativeOf(sides.filter(isText), options) : undefined;
    fields.push([
      path,
      {
        agreed,
        confidence: unionBound(errorsOfVote(vote)),
        votes: leading.votes,
        runnerUpVotes,
        ...(value === undefined ? { absent: true } : { value }),
        ...(representative !== undefined && { representative }),
      },
    ]);
    yield;
  }
  return Object.fromEntries(fields);
}

/**
 * The numeric fields by path, at most `limits.fields` of them, the least certain ones. Yields after each
 * field.
 */
export function* distributionsOf(
  votes: readonly FieldVote[],
  limits: BundleLimits,
  cuts: CutList,
): Generator<void, Record<string, Distribution>> {
  const numeric: { path: string; error: number; points: WeightedNumber[] }[] = [];
  for (const { path, error, sides } of votes) {
    const points = sides.flatMap((side) => side.choices.filter(isNumeric));
    if (points.length > 0) numeric.push({ path, error, points });
    yield;
  }
  const listed = leastCertain(numeric, limits.fields);
  cuts.note('distributions', listed.length, numeric.length);
  const distributions: [string, Distribution][] = [];
  for (const { path, points } of listed) {
    distributions.push([path, describeNumbers(points)]);
    yield;
  }
  return Object.fromEntries(distributions);
}

function isNumeric(choice: Choice): choice is Choice & WeightedNumber {
  return typeof choice.value === 'number';
}

function isText(side: Side): side is Side & Candidate {
  return typeof side.value === 'string';
}
