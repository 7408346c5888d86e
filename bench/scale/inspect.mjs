import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ReliableOrchestrator,
  Troupe,
  defineTool,
  recorder,
  statelyInspector,
  viewerInspector,
} from '../troupe.mjs';
import { quartiles } from '../measure/statistics.mjs';
import { answer } from '../rows/answers.mjs';

const file = join(tmpdir(), 'troupe-bench.ndjson');

/** Microseconds a run takes, one after the other without a pause, for so long. */
async function costOf(orchestrator, options, ms) {
  const tool = defineTool({ name: 'answer', estimate: () => ({ tokens: 10 }), execute: answer });
  const begin = performance.now();
  let runs = 0;
  for (; performance.now() - begin < ms; runs++) {
    await orchestrator.run({ tool, request: {}, options: options(runs) });
    // A tool that really calls something lets the event loop turn.
    if (runs % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return ((performance.now() - begin) * 1000) / runs;
}

const RUNS = {
  'a reliable run': () => ({}),
  'with key, budget and deadline': (() => {
    let key = 0;
    return () => ({ idempotencyKey: `k${++key}`, budget: { tokens: 1000 }, timeoutMs: 30_000 });
  })(),
};

/** A viewer in a process of its own, as `npx troupe inspect` starts it. */
function viewerProcess() {
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const child = spawn(process.execPath, [cli, 'inspect'], { stdio: ['ignore', 'ignore', 'pipe'] });
  return new Promise((resolve) => {
    child.stderr.on('data', (chunk) => {
      const [url] = /http:\S+/.exec(chunk) ?? [];
      if (url) resolve({ url: url.replace("'", ''), stop: () => child.kill() });
    });
  });
}

/** What it costs to look, where nothing but runs goes on: the worst case. */
export async function inspecting(isQuick) {
  const viewer = await viewerProcess();
  const variants = {
    'nobody looks': undefined,
    recorded: recorder(file),
    'recorded, complete': recorder(file.replace('bench', 'bench-complete'), { complete: true }),
    'shown in a viewer': viewerInspector({ url: viewer.url }),
    'for Stately, nobody listens': statelyInspector({ url: 'ws://127.0.0.1:9' }),
  };
  const rows = [];
  for (const [name, options] of Object.entries(RUNS)) {
    const times = new Map();
    for (let round = 0; round < (isQuick ? 2 : 4); round++) {
      for (const [variant, inspect] of Object.entries(variants)) {
        const troupe = new Troupe(inspect ? { inspect } : {});
        const orchestrator = new ReliableOrchestrator({ troupe });
        // What may be used at once is used up first.
        await costOf(orchestrator, options, 700);
        times.set(variant, [
          ...(times.get(variant) ?? []),
          await costOf(orchestrator, options, isQuick ? 700 : 1500),
        ]);
        await troupe.close();
      }
    }
    const bare = quartiles(times.get('nobody looks')).median;
    for (const [variant, each] of times) {
      const us = quartiles(each).median;
      const isBound = variant !== 'nobody looks' && variant !== 'recorded, complete';
      rows.push({
        what: `Looking, ${name}: ${variant}`,
        value: `${us.toFixed(1)} µs, ${(us / bare).toFixed(2)}×`,
        ...(isBound ? { target: 'at most 2×', isMet: us / bare <= 2 } : {}),
      });
    }
  }
  viewer.stop();
  for (const each of [file, file.replace('bench', 'bench-complete')]) {
    for (const age of ['', '.1', '.2']) rmSync(each.replace('.ndjson', `${age}.ndjson`), { force: true });
  }
  return rows;
}
