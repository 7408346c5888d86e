import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { defineTool, Troupe, toolResult } from '../../src/index.js';
import { ok, scriptedTool } from '../../src/testing/index.js';
import { aServer, bothWays, storyOf } from './scene.js';
import { named, scenarios, troupeOf, usage } from './scenarios.js';

const scene = aServer();

describe('a scripted run', () => {
  for (const [name, { make, args, reliable = true, pauseMs = 0 }] of Object.entries(scenarios)) {
    it(`has the same output, usage and events: ${name}`, async () => {
      const list = Array.isArray(args) ? (args as object[]) : [args as object];
      const { process, restate } = await bothWays(
        scene.server,
        () => troupeOf(name, make()),
        async (orchestrator) => {
          const stories = [];
          for (const each of list) {
            stories.push(await storyOf(orchestrator, each));
            await delay(pauseMs);
          }
          return stories;
        },
        { reliable },
      );
      expect(restate).toEqual(process);
    });
  }
});

describe('nested runs', () => {
  it('count, and end with the call that started them', async () => {
    const make = () =>
      new Troupe({
        tools: [
          scriptedTool('inner', [ok('in', usage(5))]),
          defineTool({
            name: 'outer',
            execute: async (_request: unknown, _options: unknown, context) => {
              const { content } = await context.run({ toolName: 'inner', request: {} } as never);
              return toolResult({ content: { content }, usage: usage(2) });
            },
          }),
        ],
      });
    const { process, restate } = await bothWays(scene.server, make, (orchestrator) =>
      storyOf(orchestrator, named('outer')),
    );
    expect(restate.output?.content).toEqual(process.output?.content);
    expect(restate.output?.usage).toEqual(process.output?.usage);
  });
});
