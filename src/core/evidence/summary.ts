import type { JsonValue } from '../json.js';
import { KrippendorffAlpha, semanticEntropy, type Agreement } from './agreement.js';
import { isFreeText } from './answer-key.js';
import { consensusOf } from './consensus.js';
import { disagreementsOf, type Disagreement } from './disagreements.js';
import type { DistanceOptions, Embed } from './distance.js';
import { FeatureIndex } from './features.js';
import type { Distribution } from './distributions.js';
import { errorsOfVote, type FieldVote } from './field-vote.js';
import { collectFieldVotes, distributionsOf, summarizeFields, type FieldSummary } from './fields.js';
import { isObject } from './leaves.js';
import { CutList, DEFAULT_BUNDLE_LIMITS, type BundleLimits, type Cut } from './limits.js';
import type { Choice } from './poll.js';
import { modePosterior, unionBound } from './posterior.js';
import { pairwiseDistances, representativeOf } from './proximity.js';
import { Tally, type Draw, type TallyOptions } from './tally.js';
import { toEnd } from './to-end.js';
import { describeThrown, type EvidenceWarning, type WarningLog } from './warning.js';

/** What k answers support. Plain JSON; every list of replicates is in index order. */
export type BundleSummary<Answer = JsonValue> = {
  /** What the replicates agree on, field by field for objects; null where they do not, or none is valid. */
  consensus: JsonValue;
  /** The whole answer that leads, always one that was given; null where none is valid. */
  leader: Answer | null;
  /**
   * The given answer closest to all others, where no text, list or object has a majority. It is no consensus.
   */
  representative?: Answer;
  /** True where the consensus is an object that nobody gave. */
  composite: boolean;
  /** Sorted by path. */
  disagreements: Disagreement[];
  /**
   * Posterior probability that what leads is the mode of the model's answers: for an object the union bound
   * over its fields, never below 0. Null where none is valid. It is never a probability of being true.
   */
  confidence: number | null;
  confidenceKind: 'mode-posterior';
  /** What the tool's `calibrate` makes of the confidence, where it has one. */
  calibratedConfidence?: number;
  /** Each field by JSON Pointer; the empty string for an answer that is no object. */
  fields: Record<string, FieldSummary>;
  /** Between the replicates in index order, the first 64 at most; null where one of the two is invalid. */
  pairwiseDistance: (number | null)[][];
  /** Numeric fields by JSON Pointer. */
  distributions: Record<string, Distribution>;
  agreement: Agreement;
  warnings: EvidenceWarning[];
  /** True where any list was cut to the limits; counts and confidence never are. */
  truncated: boolean;
  /** What was cut, where anything was. */
  truncationInfo?: Cut[];
};

export type SummaryOptions = {
  limits?: Partial<BundleLimits>;
  /** Vectors for distances; the default is Jaccard distances of words and leaves. */
  embed?: Embed;
  /** A probability of being right for a confidence, learned from answers whose truth is known. */
  calibrate?: (confidence: number) => number;
  /** The answer the stopping rule reports where that is another than the tally's leader. */
  leader?: Choice | null;
};

/** The summary of a tally, at once. */
export function summarize(tally: Tally, options: SummaryOptions = {}): BundleSummary {
  return toEnd(summarySlices(tally, options));
}

/** The summary of replicates in any order, at once. */
export function summarizeReplicates(
  replicates: readonly Draw[],
  options: TallyOptions & SummaryOptions = {},
): BundleSummary {
  const tally = new Tally(options);
  for (const replicate of [...replicates].sort((a, b) => a.index - b.index)) tally.add(replicate);
  return summarize(tally, options);
}

/**
 * The summary of a tally in slices, for a caller that must not block: it yields after every few milliseconds
 * of work at most (with answers up to 64 KiB), mostly far more often, so that the caller looks at its clock
 * at each yield and gives way when it is time. The tally must not change meanwhile.
 */
export function* summarySlices(tally: Tally, options: SummaryOptions = {}): Generator<void, BundleSummary> {
  const limits = { ...DEFAULT_BUNDLE_LIMITS, ...options.limits };
  const { embed } = options;
  const distance = {
    features: new FeatureIndex(tally.sets),
    warnings: tally.warningLog,
    ...(embed && { embed }),
  };
  const cuts = new CutList();

  const votes = yield* collectFieldVotes(tally);
  const consensus = consensusOf(votes);
  yield;
  const representative = yield* wholeRepresentative(tally, distance);
  const disagreements = yield* disagreementsOf(votes, tally.answers, limits, cuts);
  const fields = yield* summarizeFields(votes, limits, cuts, distance);
  const distributions = yield* distributionsOf(votes, limits, cuts);
  const pairwiseDistance = yield* pairwiseDistances(tally, limits, cuts, distance);
  const agreement = yield* agreementOf(votes, tally);
  const leader = options.leader ?? clusterLeader(votes, tally) ?? tally.leader;
  const confidence = leader === null ? null : unionBound(votes.flatMap(errorsOfVote));
  const calibrated = calibratedBy(options.calibrate, confidence, tally.warningLog);
  return {
    consensus,
    leader: leader?.value ?? null,
    ...(representative !== undefined && { representative }),
    composite: isObject(consensus) && !tally.has(consensus),
    disagreements,
    confidence,
    confidenceKind: 'mode-posterior',
    ...(calibrated !== undefined && { calibratedConfidence: calibrated }),
    fields,
    pairwiseDistance,
    distributions,
    agreement,
    warnings: tally.warnings,
    truncated: cuts.cuts.length > 0,
    ...(cuts.cuts.length > 0 && { truncationInfo: cuts.cuts }),
  };
}

/**
 * Whether whole answers were put into clusters: numbers, or lists of them, with a tolerance. The votes that are counted
 * one by one compare an answer with the first of each group, which depends on the order; clusters do not.
 */
function isClustered(votes: readonly FieldVote[], tally: Tally): boolean {
  return tally.tolerance !== undefined && !tally.hasEquivalent && votes.length === 1 && votes[0]!.path === '';
}

/** Of the leading cluster, the answer given first. */
function clusterLeader(votes: readonly FieldVote[], tally: Tally): Choice | null {
  if (!isClustered(votes, tally)) return null;
  const [first, ...rest] = votes[0]!.leading.choices;
  if (first === undefined) return null;
  return rest.reduce((best, choice) => (choice.firstIndex < best.firstIndex ? choice : best), first);
}

/** Contained: a calibrator that throws, or gives no probability, gives nothing. */
function calibratedBy(
  calibrate: SummaryOptions['calibrate'],
  confidence: number | null,
  warnings: WarningLog,
): number | undefined {
  if (calibrate === undefined || confidence === null) return undefined;
  try {
    const calibrated: unknown = calibrate(confidence);
    if (typeof calibrated === 'number' && calibrated >= 0 && calibrated <= 1) return calibrated;
    if (calibrated instanceof Promise) calibrated.catch(() => undefined);
    throw new TypeError('expected a number from 0 to 1');
  } catch (thrown) {
    const message = `calibrate(confidence) failed (${describeThrown(thrown)}); its figure is left out.`;
    warnings.add({ code: 'calibrate_failed', message });
    return undefined;
  }
}

/** What can be said at any time without looking at the answers again. */
export type PartialSummary = {
  /** Replicates settled, invalid ones included. */
  n: number;
  valid: number;
  /** Independent valid answers. */
  votes: number;
  /** Different answers among them. */
  distinct: number;
  leader: JsonValue;
  leaderVotes: number;
  runnerUpVotes: number;
  /** Posterior probability that the leader is the mode of whole answers; null before the first vote. */
  confidence: number | null;
  confidenceKind: 'mode-posterior';
};

/**
 * The state of a running bundle, in constant time. Its confidence is that of whole answers, not of fields.
 */
export function partialSummary(tally: Tally): PartialSummary {
  const { n, valid, votes, leader, leaderVotes, runnerUpVotes } = tally;
  return {
    n,
    valid,
    votes,
    distinct: tally.poll.choices.length,
    leader: leader?.value ?? null,
    leaderVotes,
    runnerUpVotes,
    confidence: leader === null ? null : modePosterior(leaderVotes, runnerUpVotes),
    confidenceKind: 'mode-posterior',
  };
}

function* wholeRepresentative(
  tally: Tally,
  options: DistanceOptions,
): Generator<void, JsonValue | undefined> {
  const { leader } = tally;
  if (leader === null || leader.votes * 2 > tally.votes) return undefined;
  const isCompound = typeof leader.value === 'object' && leader.value !== null;
  if (!isCompound && !isFreeText(leader.value)) return undefined;
  const candidates = tally.answers.map(({ key, value, voters }) => ({ key, value, votes: voters.length }));
  return yield* representativeOf(candidates, options);
}

function* agreementOf(votes: readonly FieldVote[], tally: Tally): Generator<void, Agreement> {
  const alpha = new KrippendorffAlpha();
  for (const vote of votes) {
    for (const { sides } of [vote, ...vote.members]) {
      yield* alpha.addUnitSlices(sides.map((side): [string, number] => [side.key, side.votes]));
    }
    yield;
  }
  const groups = isClustered(votes, tally) ? votes[0]!.sides : tally.poll.choices;
  const entropy = semanticEntropy(groups.map((group) => group.votes));
  return { krippendorffAlpha: alpha.value, semanticEntropy: entropy };
}
