import { ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { cockatielPolicy, effectOf, runEffect } from './policies.mjs';

/** Calls that all wait until they are let go. */
function gate() {
  let open;
  let opened = new Promise((resolve) => (open = resolve));
  return {
    call: async () => {
      await opened;
      return { ok: true };
    },
    open() {
      open();
      opened = new Promise((resolve) => (open = resolve));
    },
  };
}

/** Many runs begun, all of them in flight, then all of them answered. */
export function inFlight(count) {
  const all = (start) => {
    const { call, open } = gate();
    const begin = start(call);
    return async () => {
      const runs = Array.from({ length: count }, begin);
      // Two turns of the event loop: by then every call waits.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
      open();
      const answers = await Promise.all(runs);
      return { ok: answers.every(({ ok }) => ok) };
    };
  };
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  return {
    title: `${count.toLocaleString('en')} runs in flight`,
    unit: 'run',
    base: 'Effect',
    units: count,
    isAnswer: (value) => value?.ok === true,
    isHeavy: true,
    rows: [
      {
        name: 'Troupe, ReliableOrchestrator',
        run: all((execute) => {
          const tool = defineTool({ name: 'waits', execute });
          return async () =>
            (await orchestrator.run({ tool, request: {}, options: { timeoutMs: 60_000 } })).content;
        }),
        does: 'Breaker, retry, a deadline each.',
      },
      { name: 'Plain promises', run: all((call) => () => call()), does: 'The calls alone.' },
      {
        name: 'cockatiel',
        run: all((call) => {
          const policy = cockatielPolicy();
          return () => policy.execute(call);
        }),
        does: 'Retry, breaker, a timer each.',
      },
      {
        name: 'Effect',
        run: all((call) => {
          const effect = effectOf(call);
          return () => runEffect(effect);
        }),
        does: 'A fiber and a timer each.',
      },
    ],
  };
}
