import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'troupe-replay-'));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script as npm does, or by hand from some folder. */
function replay(args: readonly string[], { cwd = folder, env = {} } = {}): Promise<Ended> {
  const { npm_lifecycle_event: _event, INIT_CWD: _cwd, ...rest } = process.env;
  const child = spawn(process.execPath, [path.join(root, 'scripts/replay.mjs'), ...args], {
    cwd,
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function write(name: string, content: unknown): string {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(path.join(folder, name), text);
  return name;
}

const item = (id: string, gold: unknown, ...answers: unknown[]) => ({ id, gold, answers });

const ITEMS = [
  // Two agree: done, and right.
  item('unanimous', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'),
  // Two of the first two say y, all the others z.
  item('early minority', 'z', 'y', 'y', 'z', 'z', 'z', 'z', 'z'),
  // Keys in another order are the same object; null has no vote.
  item('object', { b: [2], a: 1 }, { a: 1, b: [2] }, null, { b: [2], a: 1 }),
  item('any of several lists', [['go', 'stop'], ['stop']], ['stop'], ['stop']),
  item('a list as the one right answer', ['go', 'stop'], ['go', 'stop'], ['go', 'stop']),
  item('another order', ['stop', 'go'], ['go', 'stop'], ['go', 'stop']),
  // Neither is right, though `gold` is null as well.
  item('no valid answer', null, null, null, null),
  item('no answers', 'x'),
  { id: 0, answers: [false, false], tokens: [3, 4] },
];

beforeAll(() => write('items.json', { meta: { k: 7 }, items: ITEMS }));
afterAll(() => rmSync(folder, { recursive: true }));

/** What `--json` gives, with nothing else on either stream. */
async function counts(...args: string[]): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await replay([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return JSON.parse(stdout) as Record<string, number>;
}

describe('npm run replay', () => {
  it('counts questions, right ones, replicates, rounds, and answers that early stopping changed', async () => {
    // One by one: 2, 2, 2 + 1, 2, 2, 2, 2 + 1, none, 2.
    expect(await counts('items.json', '--k', '7', '--epsilon', '0.2')).toEqual({
      questions: 9,
      right: 4,
      issued: 18,
      rounds: 10,
      changed: 1,
    });
  });

  it('has the defaults of a bundle: k 3, epsilon 0.2', async () => {
    const byDefault = await counts('items.json');
    expect(byDefault).toEqual(await counts('items.json', '--k=3', '--epsilon=.2', '--stopping=posterior'));
    // All seven are no longer asked, so the minority of the first two is what three give as well.
    expect(byDefault).toMatchObject({ right: 4, changed: 0 });
  });

  it('asks all that were recorded, up to k, with `fixed`, which changes nothing', async () => {
    const fixed = { questions: 9, rounds: 8, changed: 0 };
    expect(await counts('items.json', '--k', '7', '--stopping', 'fixed')).toEqual({
      ...fixed,
      right: 5,
      issued: 7 + 7 + 3 + 3 + 2 * 4,
    });
    expect(await counts('items.json', '--k', '2', '--stopping', 'fixed')).toEqual({
      ...fixed,
      right: 4,
      issued: 2 * 8,
    });
  });

  it('asks with `esc` in windows', async () => {
    const file = write('windows.json', { items: [item('late', 'x', 'x', 'y', 'y', 'x', 'x', 'x', 'x')] });
    const esc = (window: string) => counts(file, '--k', '7', '--stopping', 'esc', '--window', window);
    expect(await esc('3')).toEqual({ questions: 1, right: 1, issued: 6, rounds: 2, changed: 0 });
    expect(await esc('1')).toEqual({ questions: 1, right: 1, issued: 1, rounds: 1, changed: 0 });
    expect(await counts(file, '--k', '7', '--stopping', 'esc')).toMatchObject({ issued: 7, rounds: 2 });

    // The window `b b` ends it with its answer, though `a` has as many votes and came first.
    const beaten = write('beaten.json', { items: [item('beaten', 'b', ...'abacadbb')] });
    const asked = await counts(beaten, '--k', '8', '--stopping', 'esc', '--window', '2');
    expect(asked).toEqual({ questions: 1, right: 1, issued: 8, rounds: 4, changed: 1 });
  });

  it.each(['dirichlet', 'evalue'])(
    'knows the rule %s, which asks more at a smaller epsilon',
    async (rule) => {
      const unanimous = { items: [item('unanimous', 1, ...Array.from({ length: 30 }, () => 1))] };
      const file = write(`${rule}.json`, unanimous);
      const [loose, strict] = await Promise.all(
        ['0.2', '0.01'].map((epsilon) => counts(file, '--k=30', `--epsilon=${epsilon}`, '--stopping', rule)),
      );
      expect(loose).toMatchObject({ right: 1, rounds: 1, changed: 0 });
      expect(loose!['issued']).toBeLessThan(strict!['issued']!);
      expect(strict!['issued']).toBeLessThan(30);
    },
  );

  it('takes a file without questions', async () => {
    const file = write('empty.json', { items: [] });
    expect(await counts(file)).toEqual({ questions: 0, right: 0, issued: 0, rounds: 0, changed: 0 });
    const { code, stdout } = await replay([file]);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/NaN|Infinity/);
  });

  it('prints the same numbers for people, with the mean of the rounds', async () => {
    const { code, stdout, stderr } = await replay(['items.json', '--k', '7', '--epsilon', '0.2']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      [
        'items.json: k 7, posterior, epsilon 0.2',
        'questions                9   1 without "gold", which nothing can match',
        'right                    4   44.4 %',
        'replicates issued       18   2.00 per question, 64.3 % of 28',
        'rounds                  10   1.1111 per question',
        'answers changed          1   against those of full k',
        '',
      ].join('\n'),
    );
  });

  it('finds a file from where the user is, though npm starts it in the folder of the package', async () => {
    const env = { npm_lifecycle_event: 'replay', INIT_CWD: folder };
    expect(await replay(['items.json', '--json'], { cwd: root, env })).toMatchObject({ code: 0, stderr: '' });
  });

  it('--help explains every flag and the format', async () => {
    const { code, stdout } = await replay(['--help']);
    expect(code).toBe(0);
    for (const word of ['--k', '--epsilon', '--stopping', '--window', '--json', 'answers', 'gold', 'null']) {
      expect(stdout).toContain(word);
    }
  });
});

describe('what npm run replay refuses, in one line, with exit code 1 and nothing on stdout', () => {
  const at = (name: string) => path.join(folder, name);

  it.concurrent.each([
    { args: [], says: 'Name the file of recorded answers.' },
    { args: ['items.json', 'more.json'], says: 'One file at a time; "more.json" is one more.' },
    { args: ['items.json', '--kk', '3'], says: "Unknown option '--kk'." },
    { args: ['items.json', '--k'], says: "Option '--k' needs a value that starts with no dash." },
    { args: ['items.json', '--k', '-1'], says: "Option '--k' needs a value that starts with no dash." },
    { args: ['items.json', '--k=0'], says: '--k must be a whole number from 1 to 10000; got "0".' },
    { args: ['items.json', '--k=10001'], says: '--k must be a whole number from 1 to 10000; got "10001".' },
    { args: ['items.json', '--k=2.5'], says: '--k must be a whole number from 1 to 10000; got "2.5".' },
    { args: ['items.json', '--k='], says: '--k must be a whole number from 1 to 10000; got "".' },
    {
      args: ['items.json', '--epsilon=0.5'],
      says: '--epsilon must be a number, 0 at least and below 0.5; got "0.5".',
    },
    { args: ['items.json', '--window=0'], says: '--window must be a whole number, 1 at least; got "0".' },
    {
      args: ['items.json', '--stopping', 'sprt'],
      says: '--stopping must be one of posterior, dirichlet, evalue, esc, fixed; got "sprt".',
    },
    { args: ['missing.json'], says: `Cannot read ${at('missing.json')}: there is no such file.` },
    { args: ['.'], says: `Cannot read ${folder}: EISDIR` },
    { args: ['text.json'], content: 'not JSON', says: `${at('text.json')} holds no JSON: ` },
    {
      args: ['list.json'],
      content: [],
      says: `${at('list.json')} has no list "items" of { id, gold, answers }.`,
    },
    { args: ['null.json'], content: null, says: `${at('null.json')} has no list "items"` },
    {
      args: ['item.json'],
      content: { items: [item('good', 1, 1), { id: 'bad', answers: 'x' }] },
      says: `${at('item.json')}: items[1] has no list "answers".`,
    },
  ])('refuses $args', async ({ args, content, says }) => {
    if (content !== undefined) write(args[0]!, content);
    const { code, stdout, stderr } = await replay([...args, '--json']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/^[^\n]* See --help\.\n$/);
  });
});
