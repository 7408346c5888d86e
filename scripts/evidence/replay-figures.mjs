/** Replaying the recorded answers through the public door. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const data = path.join(import.meta.dirname, '../../../shared/data');

const COLUMNS = {
  'fixed 40': { k: 40, stopping: 'fixed' },
  'k 40, ε 0.05': { k: 40, epsilon: 0.05 },
  'k 10, ε 0.05': { k: 10, epsilon: 0.05 },
  'k 10, ε 0.2': { k: 10, epsilon: 0.2 },
  'k 3, ε 0.2': { k: 3, epsilon: 0.2 },
  'esc, k 40': { k: 40, stopping: 'esc' },
};
const FIXED = [1, 3, 5, 10, 20, 40];
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const SETS = {
  date: {
    file: 'faithfulcot_date_ltm_40',
    isRight: (answer, { gold }) => same(answer, gold),
    fixed: FIXED,
  },
  saycan: {
    file: 'faithfulcot_saycan_ltm_40',
    isRight: (answer, { gold }) => gold.some((one) => same(answer, one)),
    fixed: FIXED,
  },
  game24: {
    file: 'tot_game24_cot_100',
    isRight: (answer, { answers, correct }) => correct[answers.indexOf(answer)] === 1,
    fixed: [1, 40],
  },
};
export const CROSSWORDS = 'tot_crosswords_cot_10';

function load(file) {
  return JSON.parse(readFileSync(path.join(data, `${file}.json`), 'utf8')).items;
}

export async function measure() {
  const { BundleTool, Orchestrator, Troupe } = await import('troupe');
  const { z } = await import('zod');

  class Recorded extends BundleTool {
    name = 'recorded';
    output = z.unknown().refine((answer) => answer !== null, 'no answer was recorded');
    replicate({ answers }, { index }) {
      return answers[index];
    }
  }
  const tool = new Recorded();
  const orchestrator = new Orchestrator(new Troupe());
  const ask = async (answers, toolOptions) => {
    const output = await orchestrator.run({ tool, request: { answers }, toolOptions });
    return output.content.evidenceBundle;
  };

  const sets = {};
  for (const [name, { file, isRight, fixed }] of Object.entries(SETS)) {
    const items = load(file);
    const full = [];
    const columns = {};
    for (const [column, options] of Object.entries(COLUMNS)) {
      const row = { right: 0, issued: 0, rounds: 0, changed: 0, stops: {} };
      for (const [i, item] of items.entries()) {
        const { meta, summary } = await ask(item.answers, options);
        const right = isRight(summary.leader, item) ? 1 : 0;
        full[i] ??= summary.leader;
        row.right += right;
        row.issued += meta.issued;
        row.rounds += meta.rounds;
        row.changed += same(summary.leader, full[i]) ? 0 : 1;
        const stop = (row.stops[meta.stopReason] ??= { questions: 0, right: 0 });
        stop.questions += 1;
        stop.right += right;
      }
      columns[column] = row;
    }
    const rightAtFixed = {};
    for (const k of fixed) {
      rightAtFixed[k] = 0;
      for (const item of items) {
        const { summary } = await ask(item.answers, { k, stopping: 'fixed' });
        rightAtFixed[k] += isRight(summary.leader, item) ? 1 : 0;
      }
    }
    sets[name] = { questions: items.length, columns, rightAtFixed };
  }
  return { sets, crosswords: await measureCrosswords(ask) };
}

/** Letters right in 5 x 5 grids: of each sample, of the grid most often given, of the consensus on each cell. */
async function measureCrosswords(ask) {
  const letters = (grid) => [...grid.join('')];
  const cells = (grid) => Object.fromEntries(letters(grid).map((letter, i) => [`cell${i}`, letter]));
  const found = { letters: 0, samples: 0, sampleRight: 0, leaderRight: 0, consensusRight: 0, composite: 0 };
  for (const { gold, answers } of load(CROSSWORDS)) {
    const wanted = letters(gold);
    const right = (grid) => wanted.filter((letter, i) => grid[`cell${i}`] === letter).length;
    const grids = answers.map(cells);
    const { summary } = await ask(grids, { k: grids.length, stopping: 'fixed' });
    found.letters += wanted.length;
    found.samples += grids.length;
    found.sampleRight += grids.reduce((sum, grid) => sum + right(grid), 0);
    found.leaderRight += right(summary.leader);
    found.consensusRight += right(summary.consensus);
    found.composite += summary.composite ? 1 : 0;
  }
  return found;
}
