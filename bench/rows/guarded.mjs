import { Budget, BundleTool, Orchestrator, ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { answer, answerReplicate, flaky } from './answers.mjs';

const request = { query: 'a question' };

class Answers extends BundleTool {
  name = 'answers';
  replicate(_request, { index }) {
    return answerReplicate(index);
  }
}

/** A scene is made for a Troupe: one without an inspector is measured, one with an inspector is counted. */
const SCENES = {
  'basic run': (troupe) => {
    const tool = defineTool({ name: 'tool', execute: answer });
    const orchestrator = new Orchestrator(troupe());
    return () => orchestrator.run({ tool, request });
  },
  'reliable run': (troupe) => {
    const tool = defineTool({ name: 'tool', execute: answer });
    const orchestrator = new ReliableOrchestrator({ troupe: troupe() });
    return () => orchestrator.run({ tool, request });
  },
  'run with key, budget and deadline': (troupe) => {
    const tool = defineTool({ name: 'tool', execute: answer, estimate: () => ({ tokens: 1 }) });
    const orchestrator = new ReliableOrchestrator({ troupe: troupe() });
    const budget = new Budget({ tokens: 1e15 });
    let keys = 0;
    return () =>
      orchestrator.run({
        tool,
        request,
        options: { timeoutMs: 30_000, budget, idempotencyKey: `key-${++keys}` },
      });
  },
  'run that fails twice': (troupe) => {
    const tool = defineTool({ name: 'flaky', execute: flaky() });
    const orchestrator = new ReliableOrchestrator({
      troupe: troupe({ reliability: { breaker: { mode: 'off' }, retryBudget: false } }),
      reliability: { initialDelayMs: 0, maxDelayMs: 0 },
    });
    return () => orchestrator.run({ tool, request });
  },
  'run refused by an open breaker': (troupe) => {
    const tool = defineTool({ name: 'refused', execute: answer });
    const shared = troupe();
    shared.breaker('refused').isolate();
    const orchestrator = new ReliableOrchestrator({ troupe: shared });
    return () => orchestrator.run({ tool, request });
  },
  'bundle of 50': (troupe) => {
    const tool = new Answers();
    const orchestrator = new ReliableOrchestrator({ troupe: troupe() });
    return () => orchestrator.run({ tool, request, toolOptions: { k: 50, stopping: 'fixed' } });
  },
};

export function guardedScenes() {
  return Object.entries(SCENES).map(([name, make]) => ({
    name,
    run: make((options) => new Troupe(options)),
    count: () => countSteps(make),
  }));
}

/** What the charts of one run do. */
async function countSteps(make) {
  const counts = { microsteps: 0, actions: 0 };
  const inspect = ({ type }) => {
    if (type === '@xstate.microstep') counts.microsteps += 1;
    if (type === '@xstate.action') counts.actions += 1;
  };
  const run = make((options) => new Troupe({ ...options, inspect }));
  await run();
  const first = { ...counts };
  await run();
  // The second run makes no breaker and no budget any more.
  return { microsteps: counts.microsteps - first.microsteps, actions: counts.actions - first.actions };
}
