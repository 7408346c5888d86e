import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { Budget, Orchestrator, ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { answer } from './answers.mjs';
import { runBareActor } from './bare-actor.mjs';
import { cockatielPolicy, effectOf, opossumBreaker, runEffect } from './policies.mjs';
import { sqliteStore } from './sqlite-store.mjs';

const request = { query: 'a question' };

function troupeRows() {
  const tool = defineTool({ name: 'tool', execute: answer });
  const priced = defineTool({ name: 'priced', execute: answer, estimate: () => ({ tokens: 1 }) });
  const troupe = new Troupe();
  const basic = new Orchestrator(troupe);
  const reliable = new ReliableOrchestrator({ troupe });
  const budget = new Budget({ tokens: 1e15 });
  const contentOf = async (run) => (await run).content;
  let keys = 0;
  const key = () => `key-${++keys}`;

  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const stored = new ReliableOrchestrator({
    troupe: new Troupe({ store: sqliteStore(join(folder, 'store.db')) }),
  });
  const watch = (inspect) => new ReliableOrchestrator({ troupe: new Troupe({ inspect }) });
  const watched = watch(() => {});
  const told = watch((event) => {
    if (event.type === '@xstate.snapshot') JSON.stringify(event.snapshot);
  });
  const stock = new ReliableOrchestrator({ troupe: new Troupe({ compiled: false }) });
  const full = (orchestrator) => () =>
    contentOf(
      orchestrator.run({
        tool: priced,
        request,
        options: { timeoutMs: 30_000, budget, idempotencyKey: key() },
      }),
    );
  return {
    close: () => rmSync(folder, { recursive: true, force: true }),
    rows: [
      {
        name: 'Troupe, Orchestrator',
        run: () => contentOf(basic.run({ tool, request })),
        does: 'One call: pool, events, JSON output.',
      },
      {
        name: 'Troupe, ReliableOrchestrator',
        run: () => contentOf(reliable.run({ tool, request })),
        does: 'The same with breaker, retry and retry budget.',
      },
      {
        name: '… with a deadline',
        run: () => contentOf(reliable.run({ tool, request, options: { timeoutMs: 30_000 } })),
        does: 'A deadline of 30 s.',
      },
      {
        name: '… with a budget',
        run: () => contentOf(reliable.run({ tool: priced, request, options: { budget } })),
        does: 'Tokens reserved before the call, settled after it; the tool estimates.',
      },
      {
        name: '… with its events read',
        run: () => readAll(reliable, tool),
        does: 'Three events, read by `for await`.',
      },
      {
        name: '… with an idempotency key',
        run: () => contentOf(reliable.run({ tool, request, options: { idempotencyKey: key() } })),
        does: 'A new key each: fingerprint, claim, stored answer (in memory).',
      },
      {
        name: '… key, budget and deadline',
        id: 'full',
        run: full(reliable),
        does: 'What SPEC section 4 asks for.',
      },
      {
        name: '… the same, on XState’s own transition function',
        run: full(stock),
        does: '`new Troupe({ compiled: false })`.',
      },
      {
        name: '… key, budget, deadline, SQLite store',
        run: full(stored),
        does: 'Claim and answer written through to disk (WAL, synchronous=FULL); the disk decides.',
      },
      {
        name: '… with an inspector that does nothing',
        run: () => contentOf(watched.run({ tool, request })),
        does: 'XState builds its inspection events.',
      },
      {
        name: '… with an inspector that writes JSON',
        run: () => contentOf(told.run({ tool, request })),
        does: `Each snapshot stringified.`,
      },
    ],
  };
}

async function readAll(orchestrator, tool) {
  const run = orchestrator.start({ tool, request });
  let count = 0;
  for await (const event of run.events) count += event.type === 'run_started' ? 1 : 0;
  const { content } = await run.output;
  return { ok: content.ok && count === 1 };
}

export function oneRun() {
  const troupe = troupeRows();
  const policy = cockatielPolicy();
  const breaker = opossumBreaker(answer);
  const effect = effectOf(answer);
  const limit = pLimit(10);
  const peers = [
    { name: 'Plain promise', run: () => answer(), does: 'The tool alone.' },
    { name: 'p-limit', run: () => limit(answer), does: 'A limit of ten calls at a time; nothing else.' },
    { name: 'opossum', run: () => breaker.fire(), does: 'Breaker and timeout; no retry.' },
    {
      name: 'cockatiel',
      id: 'cockatiel',
      run: () => policy.execute(answer),
      does: 'Retry, breaker and timeout.',
    },
    {
      name: 'Effect',
      id: 'effect',
      run: () => runEffect(effect),
      does: 'Retry and timeout; no breaker, no events, no usage.',
    },
    {
      name: 'XState alone',
      id: 'xstate',
      run: () => runBareActor(answer),
      does: 'An actor with a chart of a good run’s shape: the floor without a compiled transition function.',
    },
  ];
  return {
    title: 'One run of a tool that answers at once',
    unit: 'run',
    base: 'Effect',
    isAnswer: (value) => value?.ok === true,
    rows: [...troupe.rows, ...peers],
    hooking,
    close: troupe.close,
  };
}

async function hooking() {
  const { oneNode } = await import('./graphs.mjs');
  const { generate } = await import('./models.mjs');
  return [
    {
      name: 'AI SDK, generateText',
      run: generate(),
      does: 'Its own mock of a model; retries, telemetry hooks and message conversion included.',
    },
    {
      name: 'LangGraph.js, one node',
      id: 'langgraph',
      run: oneNode(answer),
      does: 'A compiled graph of one node; state and channels, no retry.',
    },
  ];
}
