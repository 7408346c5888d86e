import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, Troupe, type PlanDecision, type Planner } from '../../src/index.js';
import { restateClient, restateEndpoint } from '../../src/restate/index.js';
import { fail, ok, scriptedBundle, scriptedTool, slow } from '../../src/testing/index.js';
import { aServer, storyOf } from './scene.js';

const scene = aServer();

const decisions: Record<string, PlanDecision> = {
  'a chain': { strategy: 'chain', steps: [{ tool: 'a' }, { tool: 'b', input: { got: '$previous' } }] },
  'a chain that breaks': { strategy: 'chain', steps: [{ tool: 'a' }, { tool: 'bad' }, { tool: 'b' }] },
  'all branches': { strategy: 'parallel', policy: 'all', steps: [{ tool: 'a' }, { tool: 'b' }] },
  'branches of which one fails': {
    strategy: 'parallel',
    policy: 'settled',
    steps: [{ tool: 'a' }, { tool: 'bad' }],
  },
  'the first branch': { strategy: 'parallel', policy: 'first', steps: [{ tool: 'slow' }, { tool: 'a' }] },
  'a tool with a fallback': { tool: 'bad', fallbacks: ['b'], reasoning: 'try' },
  'a bundle in a chain': {
    strategy: 'chain',
    steps: [{ tool: 'v', toolOptions: { k: 3 } }, { tool: 'b' }],
  },
  'a tool that is not there': { tool: 'nope' },
};

const troupeOf = (name: string) => {
  const tools = [
    scriptedTool('a', [ok({ from: 'a' }, { totalTokens: 1 })]),
    scriptedTool('b', [(call) => ({ from: 'b', request: call.request })]),
    scriptedTool('bad', [fail(400)]),
    scriptedTool('slow', [slow(5000)]),
    scriptedBundle('v', [ok('yes')]),
  ];
  for (const tool of tools) Object.assign(tool, { provider: `${name}/${tool.name}` });
  return new Troupe({ tools });
};

describe('what a planner decides', () => {
  it('must be JSON', async () => {
    const planner: Planner = { plan: () => ({ strategy: 'chain', steps: [{ tool: 'a', input: () => 1 }] }) };
    const troupe = troupeOf('json');
    const endpoint = restateEndpoint(troupe, { planner });
    await scene.server.register(`http://127.0.0.1:${await endpoint.listen()}`);
    const run = restateClient({ ingress: scene.server.ingress }).run({ request: {} });
    await expect(run).rejects.toThrow(/planner decides must be JSON on Restate.*template/u);
    await endpoint.close();
    await troupe.close();
  });

  for (const [name, decision] of Object.entries(decisions)) {
    for (const kind of ['at once', 'after a while'] as const) {
      it(`${kind} has the same story: ${name}`, async () => {
        let asked = 0;
        const planner: Planner = {
          plan: () => {
            asked += 1;
            return kind === 'at once' ? decision : Promise.resolve(decision);
          },
        };
        const args = { request: { q: 1 } };
        const local = troupeOf(name);
        const inProcess = await storyOf(new ReliableOrchestrator({ troupe: local, planner }), args);
        await local.close();
        const troupe = troupeOf(name);
        const endpoint = restateEndpoint(troupe, { planner });
        await scene.server.register(`http://127.0.0.1:${await endpoint.listen()}`);
        const onRestate = await storyOf(restateClient({ ingress: scene.server.ingress }), args);
        await endpoint.close();
        await troupe.close();
        expect(onRestate).toEqual(inProcess);
        // Once in each place: what it decided is in the journal.
        expect(asked).toBe(2);
      });
    }
  }
});
