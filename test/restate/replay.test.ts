import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { aServer, bothWays, storyOf } from './scene.js';
import { scenarios, troupeOf } from './scenarios.js';

const scene = aServer();

/** In this mode nothing reaches a call while it goes on, its deadline included: these would wait for ever. */
const NEEDS_A_STREAM: ReadonlySet<string> = new Set([
  'an attempt that takes too long',
  'attempts that take too long, and open the breaker',
  'a tool that ignores its signal',
  'a deadline',
  'a deadline, returned',
  'a hedge',
  'a bundle and a deadline',
  'a bundle with a limit for each',
]);

describe('a run that is read again from its journal at every wait', () => {
  for (const [name, { make, args, reliable = true, pauseMs = 0 }] of Object.entries(scenarios)) {
    if (NEEDS_A_STREAM.has(name)) continue;
    it(`has the same output, usage, events and calls: ${name}`, async () => {
      const list = Array.isArray(args) ? (args as object[]) : [args as object];
      const calls = { process: 0, restate: 0 };
      let tools: readonly { calls: readonly unknown[] }[] = [];
      const { process, restate } = await bothWays(
        scene.server,
        () => {
          const options = make();
          tools = (options.tools ?? []) as never;
          return troupeOf(`again ${name}`, options);
        },
        async (orchestrator, where) => {
          const stories = [];
          for (const each of list) {
            stories.push(await storyOf(orchestrator, each));
            await delay(pauseMs);
          }
          for (const tool of tools) calls[where] += tool.calls.length;
          return stories;
        },
        { reliable, rereads: true },
      );
      expect(restate).toEqual(process);
      expect(calls.restate).toBe(calls.process);
    });
  }
});
