import { cost, count } from './format.js';
import { posterior, quoted } from './lines.js';

/**
 * @typedef {import('troupe').OrchestrationOutput} Output
 * @typedef {import('troupe').EvidenceBundle} EvidenceBundle
 */

/** The evidence in the output of a run, where there is any. @param {Output} output @returns {EvidenceBundle | undefined} */
export function evidenceOf({ content }) {
  return /** @type {any} */ (content)?.evidenceBundle;
}

/** The answer of a bundle, how clear the votes are, and what it took, in lines. @param {EvidenceBundle} bundle */
export function tellBundle({ meta, replicates, summary, usageTotal }) {
  const { k, issued, valid, earlyStopped } = meta;
  const field = summary.fields[''];
  if (!field) return [`no valid reply, of ${issued} asked for`];
  const votes = `${field.votes} of ${count(valid, 'vote')}; ${posterior(summary.confidence)}`;
  const lines = [
    summary.consensus === null
      ? `no agreement, ${quoted(summary.leader)} has ${votes}`
      : `${quoted(summary.consensus)}, ${votes}`,
    '(how likely this is what the model says most often: no promise that it is true)',
  ];
  if (!earlyStopped) {
    const settled = replicates.filter(({ status }) => status !== 'cancelled').length;
    return [...lines, `${settled} of ${k} finished: ${cost(usageTotal)}`];
  }
  const all = { ...usageTotal, ...scaled(usageTotal, k / issued) };
  return [
    ...lines,
    `stopped early, after ${issued} of ${k}: ${cost(usageTotal)} instead of about ${cost(all)}`,
  ];
}

/** @param {{ totalTokens: number, costUsd: number }} usage @param {number} factor */
function scaled({ totalTokens, costUsd }, factor) {
  return { totalTokens: Math.round(totalTokens * factor), costUsd: costUsd * factor };
}

/**
 * An output as people want to read it: of a bundle the votes and what they support, without the figures by replicate,
 * by field and by pair.
 *
 * @param {Output} output
 */
export function shortened(output) {
  const bundle = evidenceOf(output);
  if (!bundle) return output;
  const { consensus, leader, confidence, confidenceKind, disagreements } = bundle.summary;
  return {
    ...output,
    content: {
      evidenceBundle: {
        meta: bundle.meta,
        replicates: bundle.replicates.map(({ id, seed, status, data }) => ({ id, seed, status, data })),
        summary: { consensus, leader, confidence, confidenceKind, disagreements },
      },
    },
  };
}
