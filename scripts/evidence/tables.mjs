/** The tables. */
import { atLeast, byPosterior, expect, never, passes, smallestLead } from './formulas.mjs';

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

export const EPSILONS = [0.2, 0.1, 0.05, 0.01];
const SPLITS = [
  [1],
  [0.9, 0.1],
  [0.8, 0.2],
  [0.7, 0.3],
  [0.6, 0.4],
  [0.55, 0.45],
  [0.5, 0.5],
  [0.6, 0.2, 0.2],
  [0.4, 0.3, 0.3],
];
const PLANS = [
  { k: 3, epsilon: 0.2 },
  { k: 10, epsilon: 0.2 },
  { k: 10, epsilon: 0.05 },
  { k: 40, epsilon: 0.2 },
  { k: 40, epsilon: 0.05 },
  { k: 40, epsilon: 0.01 },
];
const nameOf = ({ k, epsilon }) => `k ${k}, ε ${epsilon}`;
const splitName = (shares) => shares.map((share) => Math.round(100 * share)).join(' / ');

export function leadTable() {
  const runnerUps = [0, 1, 2, 3, 4];
  return table(
    ['ε', ...runnerUps.map((v2) => `runner-up ${v2}`), '`k` at least'],
    EPSILONS.map((epsilon) => [
      epsilon,
      ...runnerUps.map((v2) => smallestLead(v2, epsilon)),
      // With a smaller k, answers that all agree are curtailed before they pass.
      2 * (smallestLead(0, epsilon) - 1),
    ]),
  );
}

export function costTable() {
  const cost = (shares, { k, epsilon }) => expect(shares, k, byPosterior(epsilon)).replicates.toFixed(2);
  return table(
    ['true shares, %', ...PLANS.map(nameOf)],
    SPLITS.map((shares) => [splitName(shares), ...PLANS.map((plan) => cost(shares, plan))]),
  );
}

export function wrongTable() {
  const plans = [
    ...[3, 10, 40].flatMap((k) => [{ k, stops: never, name: `fixed ${k}` }]),
    ...PLANS.map((plan) => ({ k: plan.k, stops: byPosterior(plan.epsilon), name: nameOf(plan) })),
  ].sort((a, b) => a.k - b.k);
  const contested = SPLITS.filter((shares) => shares.length > 1 && shares[0] !== shares[1]);
  return table(
    ['true shares, %', ...plans.map(({ name }) => name)],
    contested.map((shares) => [
      splitName(shares),
      ...plans.map(({ k, stops }) => percent(expect(shares, k, stops).wrong)),
    ]),
  );
}

export function workedTable() {
  const alone = stoppedOnMinority([0.55, 0.45], 40, 0.05);
  const honest = expect([0.6, 0.4], 10, byPosterior(0.05));
  return table(
    ['case', 'figure'],
    [
      [
        'true shares 55 / 45, k 40, ε 0.05, the rule alone without curtailment: stops on the minority',
        percent(alone),
      ],
      [
        'true shares 60 / 40, k 10, ε 0.05: another answer than the likelier one is reported',
        percent(honest.wrong),
      ],
      [
        'the same with `speculate`, where every answer of the minority is faster than all others',
        percent(atLeast(4, 10, 0.4)),
      ],
    ],
  );
}

/** P(the rule, without curtailment, stops within k on the less likely of two answers). */
function stoppedOnMinority(shares, k, epsilon) {
  let states = new Map([['0,0', 1]]);
  let stopped = 0;
  for (let n = 1; n <= k; n++) {
    const next = new Map();
    for (const [state, weight] of states) {
      shares.forEach((share, answer) => {
        const votes = state.split(',').map(Number);
        votes[answer] += 1;
        if (!passes(Math.max(...votes), Math.min(...votes), epsilon)) {
          next.set(votes.join(), (next.get(votes.join()) ?? 0) + weight * share);
        } else if (votes[1] > votes[0]) stopped += weight * share;
      });
    }
    states = next;
  }
  return stopped;
}

export function replayTable({ sets }) {
  const rows = Object.entries(sets).flatMap(([name, { questions, columns }]) => {
    const fixed = columns['fixed 40'].issued;
    return Object.entries(columns).map(([column, { right, issued, rounds, changed }]) => [
      `${name} (${questions})`,
      column,
      right,
      issued,
      (issued / questions).toFixed(2),
      issued === fixed ? '' : percent(1 - issued / fixed),
      changed,
      (rounds / questions).toFixed(2),
    ]);
  });
  return table(
    [
      'set (questions)',
      'asked',
      'right',
      'replicates',
      'a question',
      'saved',
      'other than fixed 40',
      'rounds a question',
    ],
    rows,
  );
}

export function stopsTable({ sets }) {
  const column = 'k 10, ε 0.05';
  const rows = Object.entries(sets).flatMap(([name, { columns }]) =>
    Object.entries(columns[column].stops)
      .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
      .map(([reason, { questions, right }]) => [
        name,
        `\`${reason}\``,
        questions,
        right,
        percent(right / questions),
      ]),
  );
  return table(['set', '`stopReason`', 'questions', 'right', 'share right'], rows);
}
const ORDER = ['posterior', 'curtailed', 'cap'];

export function crosswordsTable({ crosswords }) {
  const { letters, samples, sampleRight, leaderRight, consensusRight } = crosswords;
  const each = (letters * samples) / (letters / 25);
  return table(
    ['answer taken', 'letters right', 'of', 'share'],
    [
      ['one sample, the mean of all', sampleRight, each, percent(sampleRight / each)],
      ['`leader`: the vote on whole grids', leaderRight, letters, percent(leaderRight / letters)],
      ['`consensus`: a vote on each cell', consensusRight, letters, percent(consensusRight / letters)],
    ],
  );
}
