import pLimit from 'p-limit';
import { BundleTool, ReliableOrchestrator, Troupe } from '../troupe.mjs';
import { answerReplicate } from './answers.mjs';
import { allEffects, cockatielBulkhead, effectOf } from './policies.mjs';

class Answers extends BundleTool {
  name = 'answers';
  replicate(_request, { index }) {
    return answerReplicate(index);
  }
}

/** LangGraph.js takes seconds for a thousand. */
const MOST_SENDS = 100;

export function bundle(k) {
  const tool = new Answers();
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  const policy = cockatielBulkhead(10);
  const indexes = Array.from({ length: k }, (_, index) => index);
  const effects = indexes.map((index) => effectOf(() => answerReplicate(index)));
  const limit = pLimit(10);
  const ok = (answers) => ({ ok: answers.length === k });
  const rows = [
    {
      name: 'Troupe, bundle',
      id: `bundle-${k}`,
      run: async () => {
        const { content } = await orchestrator.run({
          tool,
          request: {},
          toolOptions: { k, stopping: 'fixed' },
        });
        return { ok: content.evidenceBundle.meta.valid === k };
      },
      does: 'Ten at a time, each with breaker, retry budget and events; counted and reduced to evidence.',
    },
    {
      name: 'Promise.all with p-limit',
      run: async () => ok(await Promise.all(indexes.map((index) => limit(answerReplicate, index)))),
      does: 'Ten at a time, nothing else.',
    },
    {
      name: 'cockatiel',
      run: async () =>
        ok(await Promise.all(indexes.map((index) => policy.execute(() => answerReplicate(index))))),
      does: 'Bulkhead of ten, retry, breaker, timeout; no reduction.',
    },
    {
      name: 'Effect.all',
      id: `effect-${k}`,
      run: async () => ok(await allEffects(effects, 'unbounded')),
      does: 'All at once, each with retry and timeout; no reduction.',
    },
    {
      name: 'Effect.all, ten at a time',
      run: async () => ok(await allEffects(effects, 10)),
      does: 'The same, ten at a time.',
    },
  ];
  const hooking = async () => {
    const { fanOut } = await import('./graphs.mjs');
    const graph = fanOut(k, answerReplicate);
    return [
      {
        name: 'LangGraph.js',
        id: `langgraph-${k}`,
        run: async () => ok(await graph()),
        does: 'Send to one node, a reducer that makes a list; no retry.',
      },
    ];
  };
  return {
    title: `A bundle of ${k.toLocaleString('en')} replicates`,
    unit: 'bundle',
    base: 'Effect.all',
    isAnswer: (value) => value?.ok === true,
    rows,
    ...(k <= MOST_SENDS ? { hooking } : {}),
    isHeavy: k >= 1000,
  };
}
