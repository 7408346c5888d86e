import type { Finding, Verdict } from '../testing/index.js';

const HEADINGS = [
  '',
  'check',
  'what was tried',
  'what happened',
  'what a user would have seen',
  'what to fix',
];

const WORDS: Readonly<Record<Verdict, string>> = {
  kept: 'ok',
  broken: 'BROKEN',
  warning: 'warning',
  skipped: 'skipped',
};

/** Findings as a table for people, its cells wrapped to fit a width. Pure. */
export function table(findings: readonly Finding[], width: number): string {
  const made = findings.filter(({ verdict }) => verdict !== 'skipped');
  const rows = made.map(({ check, verdict, tried, happened, seen, fix }) => [
    WORDS[verdict],
    check,
    tried,
    happened,
    verdict === 'kept' ? '' : seen,
    fix,
  ]);
  const widths = columnWidths(rows, width);
  const line = (cells: readonly string[]) => cellLines(cells, widths).join('\n');
  const rule = widths.map((w) => '-'.repeat(w)).join('  ');
  return [line(HEADINGS), rule, ...rows.map(line), '', ...notTried(findings)].join('\n');
}

/** What could not be tried, by the reason why. */
function notTried(findings: readonly Finding[]): string[] {
  const skipped = findings.filter(({ verdict }) => verdict === 'skipped');
  const reasons = [...new Set(skipped.map(({ happened }) => happened))];
  return reasons.map((reason) => {
    const checks = skipped.filter(({ happened }) => happened === reason).map(({ check }) => check);
    return `Not tried: ${[...new Set(checks)].join(', ')}: ${reason}.\n`;
  });
}

/** The first two as wide as they must be; the texts share the rest. */
function columnWidths(rows: readonly (readonly string[])[], width: number): number[] {
  const widest = (column: number) =>
    Math.max(HEADINGS[column]!.length, ...rows.map((row) => row[column]!.length));
  const fixed = [widest(0), widest(1)];
  const rest = Math.max(60, width - fixed[0]! - fixed[1]! - 10);
  const shares = [0.19, 0.3, 0.24, 0.27].map((share, index) =>
    Math.min(widest(index + 2), Math.max(14, Math.floor(rest * share))),
  );
  return [...fixed, ...shares];
}

function cellLines(cells: readonly string[], widths: readonly number[]): string[] {
  const wrapped = cells.map((cell, index) => wrap(cell, widths[index]!));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, row) =>
    wrapped
      .map((lines, index) => (lines[row] ?? '').padEnd(widths[index]!))
      .join('  ')
      .trimEnd(),
  );
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ').flatMap((part) => chopped(part, width))) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A word that is wider than its column, in pieces. */
function chopped(word: string, width: number): string[] {
  return word.length <= width ? [word] : (word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []);
}
