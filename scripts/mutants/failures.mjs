/** What failed first, in the words of the instrument. */
import path from 'node:path';

/** @typedef {import('./failures.d.mts').TestFile} TestFile */

/**
 * The first test that failed, or what kept the tests from being run.
 *
 * @param {readonly TestFile[]} files of vitest's JSON report
 * @param {string} folder where they were run
 * @param {string} output
 */
export function firstFailure(files, folder, output) {
  for (const { name, assertionResults } of files) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed) return [path.relative(folder, name), ...failed.ancestorTitles, failed.title].join(' > ');
  }
  const broken = files.find(({ status }) => status === 'failed');
  if (broken) return `${path.relative(folder, broken.name)}: ${broken.message.split('\n')[0]}`;
  return firstLine(output, /Unhandled|Error:/) ?? 'vitest failed';
}

/** The line of a simulation's report that says most. */
export function brokenRule(output) {
  return firstLine(output, /\b(rule|broken|violated)\b/i) ?? firstLine(output, /\S/) ?? 'it failed';
}

function firstLine(output, pattern) {
  return output
    .split('\n')
    .find((line) => pattern.test(line))
    ?.trim();
}
