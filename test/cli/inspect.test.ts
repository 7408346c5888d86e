import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const CLI = path.join(root, 'dist/cli.js');
const TOKEN = '0123456789abcdef';
const APP = `
  import { ReliableOrchestrator, Troupe, defineTool } from 'troupe';
  const tool = defineTool({ name: 'add', execute: () => 41 });
  const { content } = await new ReliableOrchestrator({ troupe: new Troupe() }).run({ tool, request: {} });
  console.log(content);
  process.exitCode = 7;
`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function troupe(...args: string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.err += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const address = new Promise<string>((resolve) => {
    child.stderr.on('data', () => {
      const [url] = /http:\S+token=[\w-]+/.exec(output.err) ?? [];
      if (url) resolve(url);
    });
  });
  return { child, output, ended, address };
}

/** What a page is told, until something is among it. */
function seen(url: string, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const call = request(url.replace('/?', '/stream?'), { agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.includes(wanted)) return;
        call.destroy();
        resolve();
      });
    });
    call.on('error', reject);
    call.end();
  });
}

describe('troupe inspect', () => {
  it('runs an app, shows its runs, leaves its output alone and ends with its exit code', async () => {
    const { output, ended, address } = troupe(
      'inspect',
      '--token',
      TOKEN,
      '--',
      process.execPath,
      '--input-type=module',
      '-e',
      APP,
    );
    const url = await address;
    expect(url).toContain(`token=${TOKEN}`);
    await seen(url, '\\"content\\":41');
    expect(await ended).toBe(7);
    expect(output.out).toBe('41\n');
    expect(output.err).toMatch(/^Troupe's viewer: http:\S+\nThe app has ended\.\n$/);
  }, 20_000);

  it('waits for apps, until it is told to stop', async () => {
    const { child, output, ended, address } = troupe('inspect');
    const url = await address;
    const app = spawnSync(process.execPath, ['--input-type=module', '-e', APP], {
      cwd: root,
      env: { ...process.env, TROUPE_INSPECT: url },
      encoding: 'utf8',
    });
    expect([app.status, app.stdout, app.stderr]).toEqual([7, '41\n', '']);
    await seen(url, '\\"content\\":41');
    expect(output.err).toContain(`TROUPE_INSPECT='${url}' node app.js`);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });
});

describe('troupe replay', () => {
  it('serves a recording until it is told to stop', async () => {
    const file = path.join(root, 'test/inspect/one-run.ndjson');
    const { child, ended, address } = troupe('replay', file);
    await seen(await address, 'run_completed');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('takes it through the charts again with --check', () => {
    const file = path.join(root, 'test/inspect/one-run.ndjson');
    const check = (...args: string[]) =>
      spawnSync(process.execPath, [CLI, 'replay', file, '--check', ...args], { encoding: 'utf8' });
    expect(check()).toMatchObject({
      status: 0,
      stdout: 'All 7 steps of 2 actors are as they were recorded.\n',
      stderr: '',
    });
    expect(JSON.parse(check('--json').stdout)).toMatchObject({ steps: 7, unchecked: 0 });
  });
});

describe('troupe machines', () => {
  it.each([
    ['mermaid', /^stateDiagram-v2\n/],
    ['json', /^\{\n {2}"id": "breaker"/],
    ['xstate', /^import \{ createMachine \} from 'xstate';/],
    ['svg', /^<svg /],
  ])('gives a chart as %s', (format, start) => {
    const { status, stdout } = spawnSync(process.execPath, [CLI, 'machines', 'breaker', '--format', format], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(start);
    expect(stdout).toContain('half-open');
  });

  it('lists the charts, and gives Mermaid when nothing else is said', () => {
    const list = spawnSync(process.execPath, [CLI, 'machines'], { encoding: 'utf8' });
    expect(list.stdout.split('\n').map((line) => line.trim().split(' ')[0])).toEqual([
      'run',
      'bundle',
      'replicate',
      'breaker',
      'budget',
      '',
    ]);
    expect(spawnSync(process.execPath, [CLI, 'machines', 'run'], { encoding: 'utf8' }).stdout).toMatch(
      /^stateDiagram-v2/,
    );
  });
});

describe('arguments that cannot be used', () => {
  it.each([
    [['inspect', 'node', 'app.js'], 'Put "--" before the command: npx troupe inspect -- node app.js'],
    [['inspect', '--'], 'Name a command after "--".'],
    [['inspect', '--prot', '1'], "Unknown option '--prot'"],
    [['inspect', '--port', 'x'], '--port takes a number from 0 to 65535, got "x".'],
    [['inspect', '--token', 'a b'], 'must be 1 to 256 characters of ASCII'],
    [['inspect', '--', '/no/such/program'], '"/no/such/program" cannot be started'],
    [['replay'], 'Name the recording.'],
    [['replay', 'a', 'b'], 'One recording at a time; "b" is one more.'],
    [['replay', 'a', '--json'], '--json goes with --check.'],
    [['replay', '/nowhere.ndjson'], 'cannot be read: ENOENT'],
    [['replay', '/nowhere.ndjson', '--check'], 'cannot be read: ENOENT'],
    [
      ['machines', 'engine'],
      'There is no chart "engine". There are run, bundle, replicate, breaker, budget.',
    ],
    [['machines', 'run', '--format', 'png'], '--format is mermaid, json, xstate, svg; got "png".'],
    [['machines', '--format', 'svg'], 'Name a chart: run, bundle'],
  ])('%j end with 2, and say what to do', (args, why) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [CLI, ...args], {
      encoding: 'utf8',
      timeout: 10_000,
      killSignal: 'SIGKILL',
    });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(why);
    expect(stderr).toContain(`Usage: troupe ${args[0]}`);
  });

  it.each(['inspect', 'replay', 'machines'])('%s --help says what it takes', (name) => {
    const { status, stdout } = spawnSync(process.execPath, [CLI, name, '--help'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: troupe ${name}`);
  });
});
