import { ConstantBackoff } from 'cockatiel';
import { ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { flaky } from './answers.mjs';
import { atOnce, cockatielPolicy, effectOf, runEffect } from './policies.mjs';

export function failingRun() {
  const call = flaky();
  const tool = defineTool({ name: 'flaky', execute: call });
  // Neither may end the run: the failures are what is measured.
  const troupe = new Troupe({ reliability: { breaker: { mode: 'off' }, retryBudget: false } });
  const orchestrator = new ReliableOrchestrator({
    troupe,
    reliability: { initialDelayMs: 0, maxDelayMs: 0 },
  });
  const policy = cockatielPolicy({ backoff: new ConstantBackoff(0) });
  const [forPolicy, forEffect, forLoop] = [flaky(), flaky(), flaky()];
  const effect = effectOf(forEffect, atOnce);
  const loop = async () => {
    for (let left = 3; ; left--) {
      try {
        return await forLoop();
      } catch (error) {
        if (left === 0) throw error;
      }
    }
  };
  return {
    title: 'A run that fails twice and is retried at once',
    unit: 'run',
    base: 'Effect',
    isAnswer: (value) => value?.ok === true,
    rows: [
      {
        name: 'Troupe, ReliableOrchestrator',
        run: async () => (await orchestrator.run({ tool, request: {} })).content,
        does: 'Three calls: each failure classified, judged and told in the events.',
      },
      { name: 'Plain loop', run: loop, does: 'try and catch; what any failure costs.' },
      {
        name: 'cockatiel',
        run: () => policy.execute(forPolicy),
        does: 'Retry without backoff: its timer of 0 ms is a timer all the same.',
      },
      { name: 'Effect', run: () => runEffect(effect), does: 'Retry at once, and timeout.' },
    ],
  };
}
