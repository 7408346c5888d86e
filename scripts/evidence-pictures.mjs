/**
 * Writes the pictures and the tables of docs/evidence.md. What is computed comes from the formulas in scripts/evidence, what is
 * measured from docs/evidence/replay-figures.json; where the recorded answers are at hand, that file is made anew by
 * replaying them through the built package. With `--check` it only says whether all of it is up to date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CROSSWORDS, data, measure } from './evidence/replay-figures.mjs';
import {
  costTable,
  crosswordsTable,
  leadTable,
  replayTable,
  stopsTable,
  workedTable,
  wrongTable,
} from './evidence/tables.mjs';
import { costPicture, expectedPicture, posteriorPicture } from './evidence/pictures.mjs';
import { format, resolveConfig } from 'prettier';

const root = path.join(import.meta.dirname, '..');
const figuresFile = 'docs/evidence/replay-figures.json';
const isCheck = process.argv.includes('--check');
const prettierOptions = await resolveConfig(path.join(root, 'README.md'));
let stale = 0;

const committed = readOr(figuresFile);
let figures = committed === '' ? undefined : JSON.parse(committed);
if (existsSync(path.join(data, `${CROSSWORDS}.json`))) {
  figures = await measure();
  await put(figuresFile, JSON.stringify(figures), 'json');
} else {
  console.log(`No recorded answers at ${data}: the committed figures were taken as they are.`);
}
if (figures === undefined) throw new Error(`${figuresFile} is missing, and so are the recorded answers.`);

await put('docs/evidence/cost.svg', costPicture(figures));
await put('docs/evidence/expected.svg', expectedPicture());
await put('docs/evidence/posterior.svg', posteriorPicture());

const TABLES = {
  lead: leadTable,
  cost: costTable,
  wrong: wrongTable,
  worked: workedTable,
  replay: replayTable,
  stops: stopsTable,
  crosswords: crosswordsTable,
};
let page = readOr('docs/evidence.md');
for (const [name, make] of Object.entries(TABLES)) {
  const block = new RegExp(`(<!-- table: ${name} -->\\n).*?(<!-- end -->)`, 's');
  if (!block.test(page)) throw new Error(`docs/evidence.md has no place for the table "${name}".`);
  page = page.replace(block, (_, open, close) => `${open}\n${make(figures)}\n\n${close}`);
}
await put('docs/evidence.md', page, 'markdown');

if (isCheck && stale > 0) {
  console.error('Run `node scripts/evidence-pictures.mjs` and commit the result.');
  process.exit(1);
}

async function put(file, content, parser) {
  const after = parser === undefined ? content : await format(content, { ...prettierOptions, parser });
  if (after === readOr(file)) return;
  stale += 1;
  console.log(`${file} ${isCheck ? 'is stale' : 'written'}`);
  if (isCheck) return;
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), after);
}

function readOr(file) {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return '';
  }
}
