import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { command } from '../../src/cli/simulate.js';

const written = { out: '', err: '' };

beforeEach(() => {
  Object.assign(written, { out: '', err: '' });
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((written.out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((written.err += String(text)), true));
});
afterEach(() => void vi.restoreAllMocks());

describe('troupe simulate', () => {
  it('runs seeds, and tells what they covered', async () => {
    expect(await command(['--seeds', '3', '--from', '7', '--jobs', '1'])).toBe(0);
    expect(written.out).toMatch(/^3 seeds, 180 operations, \d+ calls of tools/);
    expect(written.out).toMatch(/\d+ {2}run: completed/);
    expect(written.out).toMatch(/Every rule held\.\n$/);
  });

  it('gives JSON, and a report a line to the process that asked for it', async () => {
    expect(await command(['--seed', '7', '--steps', '10', '--json', '--jobs', '1'])).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ seeds: 1, operations: 10, failures: [] });
    written.out = '';
    expect(await command(['--stream', '--from', '7', '--seeds', '2', '--steps', '5'])).toBe(0);
    const lines = written.out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { seed: number }).seed)).toEqual([7, 8]);
  });

  it('plays only what it is told, with the rates it is told', async () => {
    const args = ['--seed', '7', '--only', '2,4', '--faults', '{"error":0}', '--json'];
    expect(await command(args)).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ operations: 2 });
  });

  it.each([
    [['--seeds', '0'], '--seeds must be a whole number of at least 1, got "0"'],
    [['--seed', 'x'], '--seed must be a whole number'],
    [['--only', '1'], '--only goes with --seed'],
    [['--seed', '1', '--from', '2'], 'leave --seeds and --from out'],
    [['--faults', '{'], '--faults must be JSON'],
    [['--faults', '[1]'], '--faults must be an object'],
    [['--faults', '{"error":3}', '--seed', '1'], 'faults.error'],
    [['--sedes', '3'], '--sedes'],
  ])('refuses %j with the exit code 2', async (args, message) => {
    expect(await command(args)).toBe(2);
    expect(written.err).toContain(message);
    expect(written.out).toBe('');
  });

  it('explains itself', async () => {
    expect(await command(['--help'])).toBe(0);
    expect(written.out).toContain('Usage: troupe simulate');
  });
});
