import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/testing/seeded-random.js';
import { hasPostgres, startPostgres, type PostgresServer } from '../../scripts/postgres-server.mjs';

const KEYS = 2000;
const PROCESSES = 4;
const KILLS = 10;

interface Ended {
  readonly pid: number;
  readonly at: bigint;
  readonly answers: Record<string, string> | undefined;
}

/** A process that is started again each time it was killed, until it has all answers. */
async function persist(
  args: string[],
  running: Set<number>,
  killed: Ended[],
): Promise<Record<string, string>> {
  for (;;) {
    const ended = await new Promise<Ended>((resolve, reject) => {
      const child = spawn(process.execPath, [path.join(import.meta.dirname, 'worker.mjs'), ...args]);
      const pid = child.pid!;
      running.add(pid);
      let out = '';
      let err = '';
      child.stdout.on('data', (part) => (out += String(part)));
      child.stderr.on('data', (part) => (err += String(part)));
      child.on('close', (code, signal) => {
        running.delete(pid);
        const at = process.hrtime.bigint();
        if (signal === 'SIGKILL') resolve({ pid, at, answers: undefined });
        else if (code === 0) resolve({ pid, at, answers: JSON.parse(out) as Record<string, string> });
        else reject(new Error(`A process ended with ${code ?? signal}: ${err}`));
      });
    });
    if (ended.answers) return ended.answers;
    killed.push(ended);
  }
}

interface Execution {
  readonly key: string;
  readonly from: bigint;
  to: bigint;
}

/** What was written down: an execution whose process was killed lasts until then. */
function executions(log: string, killed: readonly Ended[]): Map<string, Execution> {
  const all = new Map<string, Execution>();
  for (const line of readFileSync(log, 'utf8').split('\n').filter(Boolean)) {
    const [at, pid, what, word, number, id] = line.split(' ') as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    if (what === 'end') {
      all.get(id)!.to = BigInt(at);
      continue;
    }
    const to = killed.find((each) => each.pid === Number(pid))?.at ?? process.hrtime.bigint();
    all.set(id, { key: `${word} ${number}`, from: BigInt(at), to });
  }
  return all;
}

async function hammer(kind: string, where: string, seed: number): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'troupe-processes-'));
  const log = path.join(dir, 'log');
  const running = new Set<number>();
  const killed: Ended[] = [];
  const random = seededRandom(seed);
  const args = [kind, where, String(KEYS), log];
  const all = Promise.all(Array.from({ length: PROCESSES }, () => persist(args, running, killed)));
  all.catch(() => {});
  for (let kills = 0; kills < KILLS; kills++) {
    await setTimeout(300 + random() * 500);
    const victim = [...running][Math.floor(random() * running.size)];
    if (victim !== undefined) process.kill(victim, 'SIGKILL');
  }
  const [first, ...others] = await all;
  const known = executions(log, killed);
  rmSync(dir, { recursive: true });

  expect(killed.length).toBeGreaterThan(3);
  expect(Object.keys(first!)).toHaveLength(KEYS);
  for (const answers of others) expect(answers).toEqual(first);
  for (const [key, id] of Object.entries(first!)) expect(known.get(id)?.key).toBe(key);
  const inOrder = [...known.values()].sort((a, b) => (a.from < b.from ? -1 : 1));
  const openUntil = new Map<string, bigint>();
  const overlaps = inOrder.filter(({ key, from, to }) => {
    const before = openUntil.get(key) ?? 0n;
    openUntil.set(key, to > before ? to : before);
    return from < before;
  });
  expect(overlaps).toEqual([]);
  // Only what a killed process had in flight is run again.
  expect(known.size - KEYS).toBeLessThanOrEqual(killed.length * 16);
}

describe('four processes that are killed at random, over 2000 keys', () => {
  let server: PostgresServer | undefined;
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'troupe-sqlite-'));
    if (hasPostgres) server = await startPostgres();
  }, 60_000);
  afterAll(() => {
    server?.remove();
    rmSync(dir, { recursive: true });
  });

  it('store one answer a key in SQLite, and never run a key twice at once', async () => {
    await hammer('sqlite', path.join(dir, 'store.db'), 1);
  }, 180_000);

  it.skipIf(!hasPostgres)(
    'store one answer a key in Postgres, and never run a key twice at once',
    async () => {
      await hammer('postgres', server!.url, 2);
    },
    180_000,
  );
});
