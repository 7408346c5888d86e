import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { INSTRUMENTS, testsFor, type Finding } from '../../scripts/mutants/instruments.mjs';
import { brokenRule, firstFailure, type TestFile } from '../../scripts/mutants/failures.mjs';
import { parsePatch, PatchError, readPatches } from '../../scripts/mutants/patches.mjs';
import { closingLine, line, matrix, page, type Row } from '../../scripts/mutants/report.mjs';

const root = path.join(import.meta.dirname, '../..');
const folder = path.join(root, 'test/mutants');
const mutants = readPatches(folder);

const DIFF =
  'diff --git a/src/core/retry.ts b/src/core/retry.ts\n--- a/src/core/retry.ts\n+++ b/src/core/retry.ts\n';
const HEAD = 'What: It is wrong.\nHarm: It hurts.\nSeen by: charts, contract\n';

describe('the patches of bench/losses', () => {
  const losses = path.join(root, 'bench/losses');

  it.each(readdirSync(losses))('%s applies to the tree', (file) => {
    execFileSync('git', ['apply', '--check', path.join(losses, file)], { cwd: root, stdio: 'pipe' });
  });
});

describe('the patches of test/mutants', () => {
  it.each(mutants)('$file applies to the tree', ({ file }) => {
    // Throws, with what git says, for one that has gone stale.
    execFileSync('git', ['apply', '--check', path.join(folder, file)], { cwd: root, stdio: 'pipe' });
  });

  it.each(mutants)('$file changes one line or two, of the library alone', ({ file, touches }) => {
    const counts = execFileSync('git', ['apply', '--numstat', path.join(folder, file)], { encoding: 'utf8' });
    const removed = counts
      .trim()
      .split('\n')
      .map((each) => each.split('\t').slice(0, 2).map(Number));
    const lines = removed.reduce((sum, [added, gone]) => sum + Math.max(added!, gone!), 0);
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThanOrEqual(2);
    for (const touched of touches) expect(touched).toMatch(/^src\/(core|machines|runtime|actors)\//);
  });

  it.each(mutants)('$file names instruments, and tests of theirs that exist', ({ seenBy, tests }) => {
    const named = INSTRUMENTS.filter(({ name }) => seenBy.includes(name));
    expect(named.map(({ name }) => name)).toEqual(seenBy);
    for (const test of tests) {
      expect(existsSync(path.join(root, test)), test).toBe(true);
      expect(
        named.map((instrument) => testsFor(instrument, [test])),
        test,
      ).toContainEqual([test]);
    }
  });

  it('are numbered without a gap, 36 of them at the least', () => {
    expect(mutants.map(({ id }) => Number(id))).toEqual(mutants.map((_, index) => index + 1));
    expect(mutants.length).toBeGreaterThanOrEqual(36);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });
});

describe('parsePatch', () => {
  it('reads the headers, and which files the diff changes', () => {
    const text = `${HEAD}Tests: test/core/a.test.ts test/machines/b.test.ts\n\n${DIFF}`;
    expect(parsePatch('07-it-is-wrong.patch', text)).toEqual({
      id: '07',
      name: 'it-is-wrong',
      file: '07-it-is-wrong.patch',
      what: 'It is wrong.',
      harm: 'It hurts.',
      seenBy: ['charts', 'contract'],
      tests: ['test/core/a.test.ts', 'test/machines/b.test.ts'],
      touches: ['src/core/retry.ts'],
    });
  });

  it('takes a patch without tests as one for all of them', () => {
    expect(parsePatch('07-a.patch', HEAD + DIFF).tests).toEqual([]);
  });

  it.each([
    ['7-a.patch', HEAD + DIFF, /is called NN-some-name/],
    ['07-a.patch', HEAD, /no diff/],
    ['07-a.patch', HEAD.replace(/Harm.*\n/, '') + DIFF, /`Harm:` is missing/],
    ['07-a.patch', `${HEAD}Why: because\n${DIFF}`, /"Why: because" is none of/],
  ])('refuses %s with a reason', (file, text, reason) => {
    expect(() => parsePatch(file, text)).toThrow(PatchError);
    expect(() => parsePatch(file, text)).toThrow(reason);
  });
});

describe('testsFor', () => {
  const instrument = { name: 'units', folders: ['test/core', 'test/runtime'] };

  it('is what a patch names inside the folders, and nothing else', () => {
    const named = [
      'test/core/a.test.ts',
      'test/core-more/b.test.ts',
      'test/machines/c.test.ts',
      'test/runtime',
    ];
    expect(testsFor(instrument, named)).toEqual(['test/core/a.test.ts', 'test/runtime']);
  });

  it('is all folders where a patch names nothing inside them', () => {
    expect(testsFor(instrument, [])).toEqual(['test/core', 'test/runtime']);
    expect(testsFor(instrument, ['test/machines/c.test.ts'])).toEqual(['test/core', 'test/runtime']);
  });
});

describe('what failed first', () => {
  const file = (name: string, status: string, tests: TestFile['assertionResults'] = []): TestFile => ({
    name: `/tree/test/${name}`,
    status,
    message: status === 'failed' ? 'Cannot find module x\nat y' : '',
    assertionResults: tests,
  });
  const test = (title: string, status: string) => ({ title, status, ancestorTitles: ['a bundle'] });

  it('is a test, with where it stands', () => {
    const files = [
      file('a.test.ts', 'passed', [test('votes', 'passed')]),
      file('b.test.ts', 'failed', [test('ends', 'passed'), test('stops', 'failed'), test('pays', 'failed')]),
    ];
    expect(firstFailure(files, '/tree', '')).toBe('test/b.test.ts > a bundle > stops');
  });

  it('is a file that cannot be run, else what nobody has handled', () => {
    expect(firstFailure([file('a.test.ts', 'failed')], '/tree', '')).toBe(
      'test/a.test.ts: Cannot find module x',
    );
    expect(firstFailure([file('a.test.ts', 'passed')], '/tree', 'so\n  Error: late\n')).toBe('Error: late');
    expect(firstFailure([], '/tree', '')).toBe('vitest failed');
  });

  it('is the line of a simulation that names the rule', () => {
    expect(brokenRule('seed 7\n  broken: one terminal event\n')).toBe('broken: one terminal event');
    expect(brokenRule('\nseed 7 failed\n')).toBe('seed 7 failed');
  });
});

describe('the report', () => {
  const finding = (instrument: string, result: Finding['result'], by?: string): Finding => ({
    instrument,
    result,
    seconds: 1,
    ...(by === undefined ? {} : { by }),
  });
  const row = (id: string, name: string, findings: Finding[]): Row => ({
    mutant: parsePatch(`${id}-${name}.patch`, HEAD + DIFF),
    findings,
    seconds: 12,
  });
  const dead = row('01', 'dead', [
    finding('charts', 'passed'),
    finding('units', 'failed', 'a.test.ts: a | b'),
  ]);
  const alive = row('02', 'alive', [finding('charts', 'absent'), finding('units', 'passed')]);

  it('says what caught a mutant, or that it survived', () => {
    expect(line(dead)).toMatch(/^01 dead +12 s {2}units: a\.test\.ts: a \| b$/);
    expect(line(alive)).toMatch(/SURVIVED$/);
  });

  it('counts them, and names those alive', () => {
    expect(closingLine([dead])).toBe('1 of 1 mutants caught');
    expect(closingLine([dead, alive])).toBe('1 of 2 mutants caught; alive: 02-alive');
  });

  it('shows which instruments catch what', () => {
    const [head, first, second] = matrix([dead, alive]).split('\n');
    expect(head!.trim()).toBe('charts units');
    expect(first!.trimEnd()).toMatch(/^01 dead +\. +x$/);
    expect(second!.trimEnd()).toMatch(/^02 alive +- +\.$/);
  });

  it('makes a page whose cells keep their bars', () => {
    const text = page([dead, alive]);
    expect(text).toContain('| 01 dead | It is wrong. | It hurts. | units | a.test.ts: a \\| b |');
    expect(text).toContain('| 02 alive | It is wrong. | It hurts. | nobody |  |');
  });
});
