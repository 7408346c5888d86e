/** Shows that each deliberate defect of test/mutants is caught, and by what. */
import { writeFileSync, mkdirSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { INSTRUMENTS, look, testsFor } from './mutants/instruments.mjs';
import { PatchError, readPatches } from './mutants/patches.mjs';
import { caughtBy, closingLine, line, matrix, page } from './mutants/report.mjs';
import { Trees } from './mutants/trees.mjs';

const HELP = `Applies each patch of test/mutants to a copy of the tree, and runs the instruments that ought to see the defect,
cheapest first: of ${INSTRUMENTS.map(({ name }) => name).join(', ')} those it names under "Seen by". The first that
fails has caught it.

  npm run mutants -- --only 03,17

  --only           numbers or names of mutants, with commas; default: all
  --instruments    the only ones to use, with commas; default: all
  --all            every instrument, and do not stop at the first that fails; prints which catch what. Where a patch
                   names no tests of one, all of it is run: with \`contract\` that takes hours
  --jobs           mutants at a time, at least 1 (default 2)
  --limit          seconds for one instrument, at least 1; one that takes longer has failed (default 600)
  --skip-baseline  do not check first that what is run passes on the tree as it is
  --json           one object: { rows: [{ mutant, findings, seconds }] }
  --write          write docs/testing/mutants.md; not with --only or --instruments

Exit code: 0 all were caught, 1 one survived, 2 it cannot be used: bad arguments, a patch that does not apply, or an
instrument that fails without any patch.
`;

/** Arguments, or a tree, that cannot be used. */
class UsageError extends Error {}

const root = path.join(import.meta.dirname, '..');
const folder = path.join(root, 'test/mutants');

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        only: { type: 'string' },
        instruments: { type: 'string' },
        all: { type: 'boolean', default: false },
        jobs: { type: 'string', default: '2' },
        limit: { type: 'string', default: '600' },
        'skip-baseline': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
  if (values.write && values.only !== undefined)
    throw new UsageError('--write needs all mutants, not --only.');
  return {
    ...values,
    jobs: wholeNumber('--jobs', values.jobs),
    limitMs: 1000 * wholeNumber('--limit', values.limit),
  };
}

function wholeNumber(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw new UsageError(`${name} must be a whole number of at least 1, got "${text}".`);
  }
  return number;
}

/** Those asked for by one of their names, or all. */
function choose(option, items, asked, namesOf) {
  if (asked === undefined) return items;
  const names = asked.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !items.some((item) => namesOf(item).includes(name)));
  if (unknown !== undefined) throw new UsageError(`${option}: "${unknown}" is unknown.`);
  return items.filter((item) => namesOf(item).some((name) => names.includes(name)));
}

/**
 * What will be run passes without a patch, or a failure of it says nothing.
 *
 * @returns the instruments that exist
 */
async function checkBaseline(instruments, mutants, tree, options, say) {
  const present = [];
  for (const instrument of instruments) {
    const asking = mutants.filter((mutant) => options.all || mutant.seenBy.includes(instrument.name));
    if (asking.length === 0) continue;
    const tests = [...new Set(asking.flatMap((mutant) => testsFor(instrument, mutant.tests)))];
    const { result, by, seconds } = await look(instrument, tree, { ...options, tests });
    if (result === 'failed') throw new UsageError(`${instrument.name} fails without any patch: ${by}`);
    if (result === 'passed') present.push(instrument);
    say(
      `no patch: ${instrument.name} ${result === 'absent' ? 'is absent, and skipped' : `passes, ${seconds} s`}`,
    );
  }
  return present;
}

async function examine(mutant, tree, options) {
  const start = Date.now();
  const findings = [];
  await tree.patched(path.join(folder, mutant.file), async () => {
    const asked = options.instruments.filter(({ name }) => options.all || mutant.seenBy.includes(name));
    for (const instrument of asked) {
      findings.push(await look(instrument, tree, { ...options, tests: mutant.tests }));
      if (!options.all && findings.at(-1).result === 'failed') break;
    }
  });
  return { mutant, findings, seconds: Math.round((Date.now() - start) / 1000) };
}

/** One tree for each mutant at a time. */
async function examineAll(mutants, trees, options, say) {
  const rows = [];
  const left = mutants.map((mutant, index) => ({ mutant, index }));
  const work = async (tree) => {
    for (let next = left.shift(); next; next = left.shift()) {
      rows[next.index] = await examine(next.mutant, tree, options);
      say(line(rows[next.index]));
    }
  };
  await Promise.all(trees.map(work));
  return rows;
}

async function write(rows) {
  const file = path.join(root, 'docs/testing/mutants.md');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, await format(page(rows), { ...(await resolveConfig(file)), parser: 'markdown' }));
}

async function main() {
  const values = readOptions();
  if (values.help) return void process.stdout.write(HELP);
  const mutants = choose('--only', readPatches(folder), values.only, ({ id, name }) => [
    id,
    name,
    `${id}-${name}`,
  ]);
  const asked = choose('--instruments', INSTRUMENTS, values.instruments, ({ name }) => [name]);
  const say = (text) => values.json || console.log(text);
  const workers = Math.max(1, Math.floor(availableParallelism() / values.jobs));
  // A background job: what it starts inherits this.
  setPriority(10);
  const trees = new Trees(root);
  process.on('exit', () => trees.close());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
  trees.check(mutants.map(({ file }) => path.join(folder, file)));
  const copies = Array.from({ length: Math.min(values.jobs, mutants.length) }, () => trees.make());
  // Many tests at once, alone on the machine.
  const whole = { ...values, workers: availableParallelism(), limitMs: 6 * values.limitMs };
  const instruments = values['skip-baseline']
    ? asked
    : await checkBaseline(asked, mutants, copies[0], whole, say);
  const options = { ...values, workers, instruments };
  const rows = await examineAll(mutants, copies, options, say);
  if (values.all) say(`\n${matrix(rows)}`);
  if (values.json) console.log(JSON.stringify({ rows }, null, 2));
  say(`\n${closingLine(rows)}`);
  if (values.write) await write(rows);
  process.exitCode = rows.every((row) => caughtBy(row)) ? 0 : 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof PatchError)) throw error;
  console.error(`mutants: ${error.message}`);
  // At once: other mutants may be at work.
  process.exit(2);
}
