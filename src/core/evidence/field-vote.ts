import type { JsonValue } from '../json.js';
import { isFreeText } from './answer-key.js';
import { clusterNumbers } from './clusters.js';
import { medianOf } from './distributions.js';
import { isSetChoice, type Field, type FieldTally } from './field-tally.js';
import { MAX_COMPARED, type Choice } from './poll.js';
import { modePosterior } from './posterior.js';
import { equalWithin, type Tolerance } from './tolerance.js';

/** The votes for one value of a field, or for not having the field. */
export type Side = {
  readonly key: string;
  readonly absent: boolean;
  /** Undefined where absent; the median for numbers within tolerance of each other. */
  readonly value: JsonValue | undefined;
  readonly votes: number;
  readonly firstIndex: number;
  /** Choices behind it; none where absent. */
  readonly choices: readonly Choice[];
};

/** How the vote on one field came out. */
export type FieldVote = {
  readonly path: string;
  /** Every side, the leading one first, the others by votes and key. */
  readonly sides: readonly Side[];
  readonly leading: Side;
  readonly runnerUpVotes: number;
  /** Whether the leading value is free text. */
  readonly freeText: boolean;
  /**
   * Whether there is a consensus: more votes than any other side, and for free text and members of sets a
   * majority.
   */
  readonly agreed: boolean;
  /** Posterior probability that the leading side is not the mode: 1 - confidence, with all its digits. */
  readonly error: number;
  /** Where a set-like list leads: the votes on holding each of its members, in the order of their keys. */
  readonly members: readonly FieldVote[];
};

/**
 * Reduces the votes on a field. The order in which they came matters to nothing but a tie for the lead.
 *
 * @param members the votes on the members of the set-like list at the same path
 */
export function fieldVote(
  tally: FieldTally,
  field: Field,
  tolerance: Tolerance | undefined,
  members: readonly FieldVote[] = [],
): FieldVote {
  const sides = sidesOf(field.poll.choices, tolerance);
  const absent = tally.absentVotes(field);
  if (absent > 0) {
    const firstIndex = tally.absentFirstIndex(field);
    sides.push({ key: 'absent', absent: true, value: undefined, votes: absent, firstIndex, choices: [] });
  }
  let leading = sides[0] as Side;
  for (const side of sides) if (leads(side, leading)) leading = side;
  if (sides.length > 1) {
    sides.sort((a, b) => {
      if (a === leading || b === leading) return a === leading ? -1 : 1;
      return b.votes - a.votes || (a.key < b.key ? -1 : 1);
    });
  }
  const runnerUpVotes = sides[1]?.votes ?? 0;
  const freeText = isFreeText(leading.value);
  const needsMajority = freeText || field.memberKey !== undefined;
  return {
    path: field.path,
    sides,
    leading,
    runnerUpVotes,
    freeText,
    agreed: leading.votes > runnerUpVotes && (!needsMajority || leading.votes * 2 > tally.votes),
    error: modePosterior(runnerUpVotes, leading.votes),
    members: leading.choices.some(isSetChoice) ? members : [],
  };
}

/**
 * What a field's vote puts forward: the leading value, or of a set-like list the members that more than half
 * hold.
 */
export function valueOfVote({ leading, members }: FieldVote): JsonValue | undefined {
  if (!leading.choices.some(isSetChoice)) return leading.value;
  return members
    .filter((member) => member.agreed && !member.leading.absent)
    .map((member) => member.leading.value as JsonValue);
}

/** The errors a field adds to the union bound. */
export function errorsOfVote({ error, members }: FieldVote): number[] {
  return [error, ...members.map((member) => member.error)];
}

function leads(a: Side, b: Side): boolean {
  return a.votes > b.votes || (a.votes === b.votes && a.firstIndex < b.firstIndex);
}

function sidesOf(choices: readonly Choice[], tolerance: Tolerance | undefined): Side[] {
  const sides: Side[] = [];
  const numbers: { value: number; votes: number; choice: Choice }[] = [];
  const lists: Choice[] = [];
  for (const choice of choices) {
    if (tolerance !== undefined && typeof choice.value === 'number') {
      numbers.push({ value: choice.value, votes: choice.votes, choice });
    } else if (tolerance !== undefined && Array.isArray(choice.value) && !isSetChoice(choice)) {
      lists.push(choice);
    } else sides.push(sideOf(choice));
  }
  if (tolerance === undefined) return sides;
  sides.push(...groupLists(lists, tolerance));
  for (const cluster of clusterNumbers(numbers, tolerance)) {
    const members = cluster.map((point) => point.choice);
    const votes = members.reduce((sum, choice) => sum + choice.votes, 0);
    const firstIndex = members.reduce((lowest, choice) => Math.min(lowest, choice.firstIndex), Infinity);
    const key = (members[0] as Choice).key;
    sides.push({ key, absent: false, value: medianOf(cluster), votes, firstIndex, choices: members });
  }
  return sides;
}

/**
 * Groups lists whose numbers are within tolerance of each other: those with most votes take the others in, so that the
 * order in which they came plays no part.
 */
function groupLists(lists: readonly Choice[], tolerance: Tolerance): Side[] {
  const groups: Choice[][] = [];
  for (const choice of [...lists].sort((a, b) => b.votes - a.votes || (a.key < b.key ? -1 : 1))) {
    const group = groups
      .slice(0, MAX_COMPARED)
      .find(([first]) => equalWithin((first as Choice).value, choice.value, tolerance));
    if (group) group.push(choice);
    else groups.push([choice]);
  }
  return groups.map((group) => ({
    ...sideOf(group[0] as Choice),
    votes: group.reduce((sum, choice) => sum + choice.votes, 0),
    firstIndex: group.reduce((lowest, choice) => Math.min(lowest, choice.firstIndex), Infinity),
    choices: group,
  }));
}

function sideOf(choice: Choice): Side {
  const { key, value, votes, firstIndex } = choice;
  return { key, absent: false, value, votes, firstIndex, choices: [choice] };
}
