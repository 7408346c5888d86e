import { ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { answer } from './answers.mjs';
import { cockatielPolicy, opossumBreaker } from './policies.mjs';

export function refused() {
  const tool = defineTool({ name: 'refused', execute: answer });
  const troupe = new Troupe();
  troupe.breaker('refused').isolate();
  const orchestrator = new ReliableOrchestrator({ troupe });
  const policy = cockatielPolicy({ maxAttempts: 0 });
  policy.wrapped[1].isolate();
  const breaker = opossumBreaker(answer);
  breaker.open();
  const caught = async (call, isRefusal) => {
    try {
      await call();
      return { ok: false };
    } catch (error) {
      return { ok: isRefusal(error) };
    }
  };
  return {
    title: 'A run refused by an open breaker',
    unit: 'run',
    base: 'cockatiel',
    isAnswer: (value) => value?.ok === true,
    rows: [
      {
        name: 'Troupe, ReliableOrchestrator',
        run: async () => {
          const { status, error } = await orchestrator.run({ tool, request: {} });
          return { ok: status === 'failed' && error.code === 'breaker_open' };
        },
        does: 'An output with a typed error, usage, the path tried, events.',
      },
      {
        name: 'cockatiel',
        run: () =>
          caught(
            () => policy.execute(answer),
            (error) => error.isBrokenCircuitError === true,
          ),
        does: 'BrokenCircuitError thrown.',
      },
      {
        name: 'opossum',
        run: () =>
          caught(
            () => breaker.fire(),
            (error) => error.code === 'EOPENBREAKER',
          ),
        does: 'An error thrown.',
      },
    ],
  };
}
