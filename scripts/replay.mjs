/**
 * Replays recorded answers through the supervisor, end to end: replicate i of a question gets the i-th answer that was
 * recorded for it, so that the cost and the quality of a stopping rule can be read off without calling a model.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { BundleTool, Orchestrator, Troupe } from 'troupe';

const HELP = `Replays recorded answers through a bundle's supervisor, and counts what a stopping rule saves and changes.

  npm run replay -- <file> --k 10 --epsilon 0.05
  npm run replay -- <file> --k 40 --stopping esc --window 5
  npm run --silent replay -- <file> --json

  --k          replicates at most, 1 to 10000 (default 3); a question with fewer answers asks for those it has
  --epsilon    tolerated posterior error, at least 0 and below 0.5 (default 0.2)
  --stopping   posterior (default), dirichlet, evalue, esc or fixed
  --window     answers in a window of esc (default 5)
  --json       one object: { questions, right, issued, rounds, changed }

The file holds { "items": [{ "id", "gold", "answers": [] }] } as JSON. An answer is any JSON value; null is an invalid
one. An answer is right when it equals "gold", or one of its members where "gold" is a list. "changed" counts the
questions whose answer differs from the one that all k replicates give.
`;

const RULES = ['posterior', 'dirichlet', 'evalue', 'esc', 'fixed'];

/** A file or arguments that cannot be used. */
class UsageError extends Error {}

/**
 * @typedef {{ id?: unknown, gold?: unknown, answers: unknown[] }} Item
 * @typedef {{ k: number, epsilon: number, stopping: string, window: number }} Options
 */

/** The one schema that is needed: null stands for an answer that was not valid. */
const anAnswer = {
  '~standard': {
    version: 1,
    vendor: 'troupe-replay',
    validate: (value) => (value === null ? { issues: [{ message: 'was recorded as invalid' }] } : { value }),
  },
};

class RecordedAnswers extends BundleTool {
  name = 'recorded_answers';
  output = anAnswer;

  /** @param {Item[]} items */
  constructor(items) {
    super();
    this.items = items;
  }

  replicate({ question }, { index }) {
    return this.items[question].answers[index];
  }
}

/**
 * What a stopping rule makes of recorded answers.
 *
 * @param {Item[]} items
 * @param {Options} options
 */
async function replay(items, options) {
  const troupe = new Troupe();
  const orchestrator = new Orchestrator(troupe);
  const tool = new RecordedAnswers(items);

  const ask = async (question, stopping) => {
    const k = Math.min(options.k, items[question].answers.length);
    if (k === 0) return { leader: null, issued: 0, rounds: 0 };
    const bundleLimits = { fields: 0, disagreements: 0, pairwise: 0 }; // Nobody reads them here.
    const toolOptions = { ...options, k, stopping, bundleLimits };
    const { content, error } = await orchestrator.run({ tool, request: { question }, toolOptions });
    if (!content?.evidenceBundle) throw new Error(`Question ${question} gave no evidence: ${error?.message}`);
    const { meta, summary } = content.evidenceBundle;
    return { leader: summary.leader, issued: meta.issued, rounds: meta.rounds };
  };

  const result = { questions: items.length, right: 0, issued: 0, rounds: 0, changed: 0 };
  for (const [question, { gold }] of items.entries()) {
    const { leader, issued, rounds } = await ask(question, options.stopping);
    const all = options.stopping === 'fixed' ? { leader } : await ask(question, 'fixed');
    if (isRight(leader, gold)) result.right += 1;
    if (!isDeepStrictEqual(leader, all.leader)) result.changed += 1;
    result.issued += issued;
    result.rounds += rounds;
  }
  await troupe.close();
  return result;
}

/** Equal to the right answer, or to one of several. */
function isRight(leader, gold) {
  if (leader === null) return false;
  const several = Array.isArray(gold) ? gold : [];
  return [gold, ...several].some((one) => isDeepStrictEqual(leader, one));
}

/** @param {string[]} args */
function readArguments(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  const flag = /** @type {const} */ ({ type: 'boolean' });
  const options = { k: text, epsilon: text, stopping: text, window: text, json: flag, help: flag };
  let parsed;
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const [problem] = error.message.split(/\.(?:\s|$)/u);
    throw new UsageError(problem.replace('argument is ambiguous', 'needs a value that starts with no dash'));
  }
  const { values, positionals } = parsed;
  const { stopping = 'posterior', json = false, help = false } = values;
  if (help) return { help };
  if (!RULES.includes(stopping)) {
    throw new UsageError(`--stopping must be one of ${RULES.join(', ')}; got "${stopping}"`);
  }
  const isWhole = (low, high) => (value) => Number.isInteger(value) && value >= low && value <= high;
  const k = number(values, 'k', 3, 'a whole number from 1 to 10000', isWhole(1, 10_000));
  const window = number(values, 'window', 5, 'a whole number, 1 at least', isWhole(1, Infinity));
  const isTolerable = (value) => value >= 0 && value < 0.5;
  const epsilon = number(values, 'epsilon', 0.2, 'a number, 0 at least and below 0.5', isTolerable);
  const [file, ...more] = positionals;
  if (file === undefined) throw new UsageError('Name the file of recorded answers');
  if (more.length > 0) throw new UsageError(`One file at a time; "${more[0]}" is one more`);
  return { file, json, help, options: { k, epsilon, stopping, window } };
}

function number(values, name, otherwise, rule, isGood) {
  const text = values[name];
  if (text === undefined) return otherwise;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!isGood(value)) throw new UsageError(`--${name} must be ${rule}; got "${text}"`);
  return value;
}

/** npm changes to the package's folder; a path is meant from where the user is. */
function locate(file) {
  const folders = [process.env['npm_lifecycle_event'] && process.env['INIT_CWD'], process.cwd()];
  const places = folders.filter(Boolean).map((folder) => path.resolve(folder, file));
  return places.find((place) => existsSync(place)) ?? places[0];
}

/** @returns {Item[]} */
function readItems(file) {
  const place = locate(file);
  let text;
  try {
    // Some tools write a byte order mark first.
    text = readFileSync(place, 'utf8').replace(/^\uFEFF/u, '');
  } catch (error) {
    const why = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new UsageError(`Cannot read ${place}: ${why}`);
  }
  let data;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${place} holds no JSON: ${error.message}`);
  }
  if (!Array.isArray(data?.items)) {
    throw new UsageError(`${place} has no list "items" of { id, gold, answers }`);
  }
  data.items.forEach((item, index) => {
    if (Array.isArray(item?.answers)) return;
    throw new UsageError(`${place}: items[${index}] has no list "answers"`);
  });
  return data.items;
}

function describe(file, items, options, { questions, right, issued, rounds, changed }) {
  const { k, epsilon, stopping, window } = options;
  const most = items.reduce((sum, { answers }) => sum + Math.min(k, answers.length), 0);
  const share = (part, whole) => (whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`);
  const mean = (sum, digits) => (questions === 0 ? '' : `${(sum / questions).toFixed(digits)} per question`);
  const ungraded = items.filter(({ gold }) => gold === undefined).length;
  const rule =
    { esc: `esc, window ${window}`, fixed: 'fixed' }[stopping] ?? `${stopping}, epsilon ${epsilon}`;
  const lines = [
    ['questions', questions, ungraded > 0 ? `${ungraded} without "gold", which nothing can match` : ''],
    ['right', right, share(right, questions)],
    ['replicates issued', issued, most === 0 ? '' : `${mean(issued, 2)}, ${share(issued, most)} of ${most}`],
    ['rounds', rounds, mean(rounds, 4)],
    ['answers changed', changed, 'against those of full k'],
  ];
  const rows = lines.map(([name, value, note]) => `${name.padEnd(19)}${String(value).padStart(7)}   ${note}`);
  return [`${path.basename(file)}: k ${k}, ${rule}`, ...rows.map((row) => row.trimEnd()), ''].join('\n');
}

/** @param {string[]} args */
async function main(args) {
  const { help, file, json, options } = readArguments(args);
  if (help) return HELP;
  const items = readItems(file);
  const result = await replay(items, options);
  return json ? `${JSON.stringify(result)}\n` : describe(file, items, options, result);
}

try {
  process.stdout.write(await main(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}. See --help.`);
  else console.error(error);
  process.exitCode = 1;
}
