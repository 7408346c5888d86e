import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineTool, Troupe, type ToolContext } from '../../src/index.js';
import { hang, ok, scriptedBundle, scriptedTool, throws } from '../../src/testing/index.js';
import { aServer, bothWays, served, storyOf } from './scene.js';

const scene = aServer();
const once = { maxRetries: 0, breaker: false } as const;

function cyclic(): Error {
  const error = Object.assign(new Error('it goes round'), { self: undefined as unknown });
  error.cause = error;
  error.self = error;
  return error;
}

function unreadable(): Error {
  const trap = () => {
    throw new Error('do not ask');
  };
  const fields = ['status', 'message', 'name', 'cause'].map((key) => [key, { enumerable: true, get: trap }]);
  return Object.defineProperties(new Error('unread'), Object.fromEntries(fields));
}

function proxied(traps: ProxyHandler<Error>): Error {
  return new Proxy(new Error('behind a proxy'), traps);
}

const trap = (): never => {
  throw new Error('trapped');
};

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const thrown: Record<string, () => unknown> = {
  'a text': () => 'just a text',
  null: () => null,
  nothing: () => undefined,
  'a symbol': () => Symbol('x'),
  'a bigint': () => 10n,
  'a function': () => trap,
  'an error that is its own cause': cyclic,
  'an error whose getters throw': unreadable,
  'a proxy that throws at every question': () =>
    proxied({ get: trap, ownKeys: trap, getPrototypeOf: trap, has: trap }),
  'a proxy without keys': () => proxied({ ownKeys: trap }),
  'a revoked proxy': revoked,
  'an error that looks like one of ours': () =>
    Object.assign(new Error('forged'), { [Symbol.for('troupe.error')]: true, toJSON: trap }),
  'an error with a bigint in it': () => Object.assign(new Error('big'), { amount: 10n, status: 503 }),
};

describe('a tool is called once, and its run tells the same, when it throws', () => {
  for (const [name, make] of Object.entries(thrown)) {
    it(name, async () => {
      let calls = 0;
      const troupe = () =>
        new Troupe({
          tools: [
            defineTool({
              name: 't',
              provider: `throws ${name}`,
              execute: async () => {
                calls += 1;
                throw make();
              },
            }),
            scriptedBundle('v', [throws(make())], { provider: `throws ${name} in a bundle` }),
          ] as never,
          reliability: once,
        });
      const { process, restate } = await bothWays(scene.server, troupe, async (orchestrator) => [
        await storyOf(orchestrator, { toolName: 't', request: {} }),
        await storyOf(orchestrator, { toolName: 'v', request: {}, toolOptions: { k: 1 } }),
      ]);
      expect(restate).toEqual(process);
      expect(calls).toBe(2);
    });
  }
});

type Executed = (context: ToolContext) => unknown;

const done: Record<string, Executed> = {
  'answers NaN': () => NaN,
  'answers nothing': () => undefined,
  'answers too much': () => 'x'.repeat(3_000_000),
  'charges a bigint': ({ budget }) => budget.charge({ totalTokens: 10n } as never),
  'charges what contains itself': ({ budget }) => {
    const usage: Record<string, unknown> = { totalTokens: 3 };
    usage['self'] = usage;
    budget.charge(usage);
    return 1;
  },
  'charges what cannot be read': ({ budget }) => {
    budget.charge(Object.defineProperty({}, 'totalTokens', { get: trap }));
    return 1;
  },
  'charges nonsense': ({ budget }) => {
    for (const nonsense of [null, 'x', { totalTokens: NaN, costUsd: 1 }, { totalTokens: -1 }])
      budget.charge(nonsense as never);
    return 1;
  },
  'emits nonsense': ({ emit }) => {
    for (const nonsense of [null, undefined, 5, {}, { type: 'x', n: 1n }, proxied({ get: trap })])
      emit(nonsense as never);
    return 1;
  },
  'emits and charges after it has settled': ({ emit, budget }) => {
    setTimeout(() => {
      emit({ type: 'late' } as never);
      budget.charge({ totalTokens: 4 });
    }, 5);
    return 1;
  },
  'leaves nested runs behind': ({ run }) => {
    void run({ toolName: 'hangs', request: {} } as never);
    void run({ toolName: 'no such tool', request: {} } as never);
    void run(null as never);
    return 1;
  },
};

describe('a tool is called once, and its run tells the same, when it', () => {
  for (const [name, work] of Object.entries(done)) {
    it(name, async () => {
      let calls = 0;
      const troupe = () =>
        new Troupe({
          tools: [
            defineTool({
              name: 't',
              provider: name,
              execute: async (_request: unknown, _options: unknown, context: ToolContext) => {
                calls += 1;
                return work(context);
              },
            }),
            scriptedTool('hangs', [hang()], { provider: `${name}, nested` }),
          ] as never,
          reliability: once,
        });
      const { process, restate } = await bothWays(scene.server, troupe, (orchestrator) =>
        storyOf(orchestrator, { toolName: 't', request: {} }),
      );
      expect(restate).toEqual(process);
      expect(calls).toBe(2);
    });
  }

  it('says more than a journal can hold', async () => {
    let calls = 0;
    const talkative = defineTool({
      name: 't',
      provider: 'talkative',
      execute: async (_request: unknown, _options: unknown, { emit }: ToolContext) => {
        calls += 1;
        for (let i = 0; i < 50; i++) emit({ type: 'piece', data: 'x'.repeat(900_000) } as never);
        throw new Error('y'.repeat(40_000_000));
      },
    });
    const troupe = new Troupe({ tools: [talkative] as never, reliability: once });
    const output = await served(scene.server, troupe, (client) => client.run({ toolName: 't', request: {} }));
    expect(output).toMatchObject({ status: 'failed', error: { code: 'unknown' } });
    expect(output.metadata.warnings.join()).toContain('bytes of events in one call');
    expect(calls).toBe(1);
  });
});

describe('an asynchronous schema', () => {
  const slowly = z.unknown().refine(async () => {
    await delay(30);
    return true;
  });
  const make = (where: string) => () =>
    new Troupe({
      tools: [
        scriptedTool('in', [ok('answered')], { input: slowly as never, provider: `${where} in` }),
        scriptedTool('out', [ok('answered')], { output: slowly as never, provider: `${where} out` }),
        scriptedBundle('v', [ok('answered')], { output: slowly as never, provider: `${where} v` } as never),
      ],
    });

  for (const rereads of [false, true]) {
    // Nobody reads events: nothing else happens that could wake the run.
    it(`is waited for, ${rereads ? 'also when the journal is read again' : 'where nothing else happens'}`, async () => {
      const { process, restate } = await bothWays(
        scene.server,
        make(`schemas ${rereads}`),
        async (orchestrator) => {
          const outputs = [];
          for (const toolName of ['in', 'out', 'v', undefined])
            outputs.push(await orchestrator.run({ toolName, request: {} }));
          return outputs.map(({ status, usage }) => ({ status, calls: usage.calls }));
        },
        { rereads },
      );
      expect(restate).toEqual(process);
    });
  }

  it('that never answers ends with the deadline', async () => {
    const never = z.unknown().refine(() => new Promise<boolean>(() => {}));
    const troupe = new Troupe({ tools: [scriptedTool('t', [ok()], { input: never as never })] });
    await served(scene.server, troupe, async (client) => {
      const run = client.run({ toolName: 't', request: {}, options: { timeoutMs: 300, abortGraceMs: 50 } });
      await expect(run).rejects.toMatchObject({ code: 'deadline_exceeded' });
    });
  });
});
