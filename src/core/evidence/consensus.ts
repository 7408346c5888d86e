import type { JsonValue } from '../json.js';
import { valueOfVote, type FieldVote } from './field-vote.js';
import { setAt } from './leaves.js';

/**
 * What the replicates agree on, put together from the votes on the fields.
 *
 * - A scalar, list or text: the value, where it is agreed on; null on a tie, or where free text has no
 *   majority.
 * - An object: each path with the value leading there, absent ones left out. A tie inside is broken by the
 *   lowest replicate index and shown as `agreed: false` with a confidence of one half; free text without a
 *   majority is left out.
 *
 * @param votes of all fields, in the order in which the consensus is to have them, the root first
 * @returns null without a vote
 */
export function consensusOf(votes: readonly FieldVote[]): JsonValue {
  if (votes.length === 0) return null;
  const object: { [key: string]: JsonValue } = {};
  for (const vote of votes) {
    const value = valueOfVote(vote);
    if (value === undefined) continue;
    if (vote.path === '') return vote.agreed ? value : null;
    // Without an agreement there is a tie, which its leading value stands for, or free text, which none can
    // stand for.
    if (vote.agreed || !vote.freeText) setAt(object, vote.path, value);
  }
  return object;
}
