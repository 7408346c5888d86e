import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import prettier from 'prettier';
import { barChart } from './chart.mjs';
import { benchPage, restatePage, scalePage } from './page.mjs';

const docs = new URL('../../docs/', import.meta.url);
const PARTS = {
  bench: { page: 'performance.md', command: 'bench', make: benchPage },
  scale: { page: 'performance.md', command: 'bench:scale', make: scalePage },
  restate: { page: 'scale.md', command: 'bench:restate', make: restatePage },
};

/** Writes the figures, their charts, and the part of a page of docs/ that is made from them. */
export async function writeResults(part, results) {
  mkdirSync(new URL('performance/', docs), { recursive: true });
  writeFileSync(new URL(`performance/${part}.json`, docs), await format(JSON.stringify(results), 'json'));
  const charts = part === 'bench' ? results.groups.filter(({ title }) => CHARTED.test(title)) : [];
  for (const group of charts) writeFileSync(new URL(`performance/${fileOf(group)}`, docs), barChart(group));
  const { page: name, command, make } = PARTS[part];
  const page = new URL(name, docs);
  const [begin, end] = [`<!-- ${part}: made by npm run ${command} -- --write -->`, `<!-- /${part} -->`];
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/${name} has no place for the part "${part}".`);
  const made = make(
    results,
    charts.map((group) => ({ title: group.title, file: `performance/${fileOf(group)}` })),
  );
  writeFileSync(
    page,
    await format(`${text.slice(0, from + begin.length)}\n\n${made}\n\n${text.slice(to)}`, 'markdown'),
  );
}

const CHARTED = /^One run|of 10 replicates|in flight/;

function fileOf({ title }) {
  return `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;
}

async function format(text, parser) {
  const config = await prettier.resolveConfig(new URL('performance.md', docs));
  return prettier.format(text, { ...config, parser });
}
