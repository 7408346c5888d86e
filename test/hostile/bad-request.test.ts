import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, Orchestrator, ReliableOrchestrator, Troupe } from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedTool,
  slow,
  type ScriptedCall,
} from '../../src/testing/index.js';

/** Runs a tool that gives back what it got. */
async function echo(request: unknown, toolOptions?: unknown) {
  const tool = scriptedTool('echo', [({ request: got, options }: ScriptedCall) => ({ got, options })]);
  const troupe = new Troupe({ tools: [tool] });
  const given = { toolName: 'echo' as const, request, ...(toolOptions === undefined ? {} : { toolOptions }) };
  const output = await new Orchestrator(troupe).run(given as never);
  return { tool, output, content: output.content as { got: unknown; options: unknown } };
}

async function refusalOf(request: unknown, toolOptions?: unknown): Promise<InvalidOptionsError> {
  const error: unknown = await echo(request, toolOptions).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidOptionsError);
  return error as InvalidOptionsError;
}

function nested(levels: number): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < levels; level++) value = { inner: value };
  return value;
}

function circle(): unknown {
  const value: Record<string, unknown> = { list: [] };
  (value['list'] as unknown[]).push(value);
  return value;
}

/** 2 to the 40th paths through 40 objects. */
function huge(): unknown {
  let value: unknown = { end: true };
  for (let level = 0; level < 40; level++) value = { left: value, right: value };
  return value;
}

const throwing = {
  get secret(): string {
    throw new Error('no');
  },
};
const faults: [string, unknown, RegExp][] = [
  ['a function', { a: { b: () => 1 } }, /"a.b" is a function/],
  ['a BigInt', { n: 1n }, /"n" is a bigint/],
  ['a symbol', { s: Symbol('x') }, /"s" is a symbol/],
  ['NaN', { n: [1, NaN] }, /"n.1" is NaN/],
  ['Infinity', { n: -Infinity }, /"n" is -Infinity/],
  ['a cycle', circle(), /"list.0" contains itself \(a cycle\)/],
  ['200 levels', nested(200), /nested deeper than 100 levels/],
  ['101 levels', nested(101), /nested deeper than 100 levels/],
  ['a getter that throws', throwing, /"secret" has a getter that throws/],
  ['a toJSON that throws', { at: { toJSON: throwsNo } }, /"at" has a toJSON that throws/],
  ['a Map', { m: new Map([[1, 2]]) }, /"m" is a Map/],
  ['a Set', { m: new Set([1]) }, /"m" is a Set/],
  ['binary data', { b: new Uint8Array(3) }, /"b" is binary data/],
  ['an invalid date', { at: new Date(NaN) }, /"at" is an invalid date/],
  ['a promise', { p: Promise.resolve(1) }, /"p" is a Promise/],
  ['huge shared references', huge(), /larger than \d+ bytes/],
  ['an endless sparse list', { list: Object.assign([], { length: 2 ** 32 - 1 }) }, /larger than/],
];
const proxies: [string, unknown, RegExp][] = [
  ['keys that cannot be read', new Proxy({}, { ownKeys: throwsNo }), /request/],
  ['a toStringTag that throws', { get [Symbol.toStringTag]() { return throwsNo(); } }, /request/], // prettier-ignore
];

function throwsNo(): never {
  throw new Error('no');
}

describe('a request is JSON, or the run is refused and says where it is not', () => {
  it.each([...faults, ...proxies])('%s', { timeout: 60_000 }, async (_name, request, message) => {
    const error = await refusalOf(request);
    expect(error.message).toMatch(/^Argument `request` must be JSON: /);
    expect(error.message).toMatch(message);
  });

  it.each(faults.filter(([name]) => !name.startsWith('huge')))(
    'toolOptions: %s',
    async (_name, options, message) => {
      const error = await refusalOf({}, options);
      expect(error.message).toMatch(/^Argument `toolOptions` must be JSON: /);
      expect(error.message).toMatch(message);
    },
  );

  it('takes 100 levels, and the same object in several places', async () => {
    expect((await echo(nested(100))).content.got).toEqual(nested(100));
    const shared = { a: 1 };
    expect((await echo({ x: shared, y: [shared, shared] })).content.got).toEqual({
      x: { a: 1 },
      y: [{ a: 1 }, { a: 1 }],
    });
  });

  it('dates become ISO strings, undefined properties are dropped, undefined in a list becomes null', async () => {
    const at = new Date(Date.UTC(2026, 0, 2));
    const request = { at, none: undefined, list: [undefined, 1], url: new URL('http://a.b/') };
    const { content } = await echo(request, { at, none: undefined });
    expect(content.got).toStrictEqual({
      at: '2026-01-02T00:00:00.000Z',
      list: [null, 1],
      url: 'http://a.b/',
    });
    expect(content.options).toStrictEqual({ at: '2026-01-02T00:00:00.000Z' });
  });
});

describe('keys that could reach a prototype', () => {
  const poison =
    '{"ok":1,"deep":{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":1}},"prototype":{"polluted":1}}}';

  it('are dropped with a warning that names each, in the request and in the options', async () => {
    const { output, content } = await echo(JSON.parse(poison), JSON.parse(poison));
    expect(content.got).toStrictEqual({ ok: 1, deep: {} });
    expect(content.options).toStrictEqual({ ok: 1, deep: {} });
    const warned = output.metadata.warnings.map((text) => /^"([^"]+)"/.exec(text)?.[1]).sort();
    expect(warned).toEqual([
      'deep.__proto__',
      'deep.constructor',
      'deep.prototype',
      'toolOptions.deep.__proto__',
      'toolOptions.deep.constructor',
      'toolOptions.deep.prototype',
    ]);
  });

  it('pollute nothing, wherever they come from', async () => {
    const bad = JSON.parse(poison) as Record<string, unknown>;
    const tool = scriptedTool('t', [() => JSON.parse(`{"__proto__":{"polluted":1},"a":1}`) as unknown], {
      defaultOptions: JSON.parse('{"__proto__":{"polluted":1}}') as object,
    });
    const output = await new Orchestrator(new Troupe({ tools: [tool] })).run({
      toolName: 't',
      request: bad,
      toolOptions: bad,
      options: { metadata: bad, idempotencyKey: '__proto__' },
    } as never);
    expect(output.content).toStrictEqual({ a: 1 });
    for (const value of [output, output.content, tool.calls[0]!.options, tool.calls[0]!.request, {}]) {
      expect((value as { polluted?: unknown }).polluted).toBeUndefined();
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
  });

  it('a text under `constructor` is data, and stays', async () => {
    const { output, content } = await echo({ constructor: 'Renault' });
    expect(content.got).toStrictEqual({ constructor: 'Renault' });
    expect(output.metadata.warnings).toEqual([]);
  });

  it('tools and providers may bear the names of what objects inherit', async () => {
    const names = ['constructor', 'toString', 'hasOwnProperty'];
    const tools = names.map((name) => scriptedTool(name, [ok(name)]));
    const troupe = new Troupe({ tools });
    for (const toolName of names) {
      const output = await new ReliableOrchestrator({ troupe }).run({ toolName, request: {} });
      expect(output.content).toBe(toolName);
    }
  });
});

describe("the caller's objects", () => {
  const freeze = (value: unknown): unknown => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };

  it('may be frozen all the way down', async () => {
    const sim = createSimulation({ tools: [scriptedTool('t', [fail(503), ok(1)])] });
    const running = new ReliableOrchestrator({ troupe: sim.troupe }).run(
      freeze({
        toolName: 't',
        request: { a: { b: 1 } },
        toolOptions: { c: { d: 1 } },
        options: { metadata: { e: 1 }, budget: { ms: 60_000 }, reliability: { maxRetries: 1 }, fallback: [] },
      }) as never,
    );
    await sim.runToIdle();
    expect((await running).status).toBe('completed');
  });

  it('are not changed by a tool that changes what it gets, nor are the options of the tool', async () => {
    const vandal = scriptedTool(
      'vandal',
      [
        ({ request, options }) => {
          (request as { list: number[] }).list.push(9);
          (options as { own: { n: number }; default: { n: number } }).own.n = 9;
          (options as { own: { n: number }; default: { n: number } }).default.n = 9;
          return 'done';
        },
      ],
      { defaultOptions: { default: { n: 1 } } },
    );
    const request = { list: [1] };
    const toolOptions = { own: { n: 1 } };
    const output = await new Orchestrator(new Troupe().registerTool(vandal)).run({
      toolName: 'vandal',
      request,
      toolOptions,
    });
    expect(output.status).toBe('completed');
    expect({ request, toolOptions }).toEqual({ request: { list: [1] }, toolOptions: { own: { n: 1 } } });
    expect(vandal.defaultOptions).toEqual({ default: { n: 1 } });
  });

  it('a tool that changes its request does not change what the next attempt gets', async () => {
    const seen: unknown[] = [];
    const step = ({ request, number }: ScriptedCall) => {
      seen.push(structuredClone(request));
      (request as { n: number }).n = 99;
      if (number === 1) throw Object.assign(new Error('busy'), { status: 503 });
      return 'ok';
    };
    const sim = createSimulation();
    sim.troupe.registerTool(scriptedTool('t', [step]));
    const running = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      toolName: 't',
      request: { n: 1 },
    });
    await sim.runToIdle();
    expect((await running).status).toBe('completed');
    expect(seen).toEqual([{ n: 1 }, { n: 1 }]);
  });

  it('changed after the call, they change nothing: they were not kept', async () => {
    const args = {
      toolName: 'echo' as const,
      request: { n: 1 },
      toolOptions: { o: 1 },
      options: { metadata: { m: 1 }, reliability: { maxRetries: 1 }, fallback: ['echo'] },
    };
    const tool = scriptedTool('echo', [fail(503), ({ request, options }) => ({ request, options })]);
    const sim = createSimulation();
    sim.troupe.registerTool(tool);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start(args);
    args.request.n = args.toolOptions.o = args.options.metadata.m = 2;
    args.options.reliability.maxRetries = 0;
    args.options.fallback.push('nowhere');
    await sim.runToIdle();
    const output = await run.output;
    expect(output.content).toEqual({ request: { n: 1 }, options: { o: 1 } });
    expect(output.metadata.caller).toEqual({ m: 1 });
  });

  it('what a caller does to its output does not reach the tool, nor a later replay', async () => {
    const own = { list: [1] };
    const troupe = new Troupe().registerTool(scriptedTool('t', [() => own]));
    const orchestrator = new Orchestrator(troupe);
    const ask = () => orchestrator.run({ toolName: 't', request: {}, options: { idempotencyKey: 'k' } });
    const first = (await ask()).content as { list: number[] };
    first.list.push(2);
    expect(own).toEqual({ list: [1] });
    expect((await ask()).content).toEqual({ list: [1] });
  });

  it('callers that share an execution get content of their own', async () => {
    const sim = createSimulation();
    sim.troupe.registerTool(scriptedTool('t', [slow(5, ok({ list: [1] }))], { clock: sim.clock }));
    const orchestrator = new Orchestrator(sim.troupe);
    const ask = () => orchestrator.run({ toolName: 't', request: {}, options: { idempotencyKey: 'k' } });
    const both = Promise.all([ask(), ask()]);
    await sim.runToIdle();
    const [a, b] = await both;
    expect(b.metadata.coalesced).toBe(true);
    (a.content as { list: number[] }).list.push(2);
    expect(b.content).toEqual({ list: [1] });
  });
});
