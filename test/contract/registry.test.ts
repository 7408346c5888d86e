import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  defineTool,
  InvalidOptionsError,
  Orchestrator,
  Tool,
  ToolRegistrationError,
  Troupe,
} from '../../src/index.js';

class Hello extends Tool<{ query: string }, string> {
  readonly name = 'hello';
  async execute({ query }: { query: string }): Promise<string> {
    return Promise.resolve(`hello ${query}`);
  }
}
const named = (name: unknown) => defineTool({ name: name as string, execute: () => 1 });

describe('registerTool', () => {
  it('takes an instance of a class, and what defineTool makes', async () => {
    const troupe = new Troupe();
    troupe.registerTool(new Hello());
    troupe.registerTool(defineTool({ name: 'two', execute: () => 2 }));
    expect(Object.keys(troupe.listTools())).toEqual(['hello', 'two']);
    const output = await new Orchestrator(troupe).run({ toolName: 'hello', request: 'you' });
    expect(output.content).toBe('hello you');
  });

  it('refuses a duplicate, and keeps the first', () => {
    const troupe = new Troupe({ tools: [new Hello()] });
    const again = () =>
      troupe.registerTool(defineTool({ name: 'hello', version: '2.0.0', execute: () => 2 }));
    expect(again).toThrow(ToolRegistrationError);
    expect(again).toThrow(/"hello".*already/);
    expect(troupe.listTools()['hello']!.version).toBe('1.0.0');
  });

  it.each([[''], [' '], ['a b'], ['x'.repeat(129)], [undefined], [5], ['ключ'], ['a\n']])(
    'refuses the name %j',
    (name) => {
      const register = () => new Troupe().registerTool(named(name));
      expect(register).toThrow(ToolRegistrationError);
      expect(register).toThrow(/name/);
    },
  );

  it.each([
    ['a'],
    ['my_tool-2.1'],
    ['vendor/model:latest'],
    ['x'.repeat(128)],
    ['__proto__'],
    ['constructor'],
  ])('takes the name %s, and finds the tool again by it', async (name) => {
    const troupe = new Troupe();
    troupe.registerTool(named(name));
    expect(Object.keys(troupe.listTools())).toEqual([name]);
    const output = await new Orchestrator(troupe).run({ toolName: name, request: {} });
    expect(output.metadata.toolName).toBe(name);
  });

  it.each<[string, unknown]>([
    ['a class instance that is no tool', new Date()],
    ['an object that looks like one', { name: 'x', execute: () => 1 }],
    ['the class itself', Hello],
    ['null', null],
    ['a text', 'hello'],
    [
      'a tool without execute',
      Object.assign(Object.create(Hello.prototype) as object, { name: 'x', execute: 5 }),
    ],
    ['a tool whose schema is none', defineTool({ name: 'x', input: {} as never, execute: () => 1 })],
  ])('refuses %s', (_name, tool) => {
    expect(() => new Troupe().registerTool(tool as Tool)).toThrow(ToolRegistrationError);
  });

  it('refuses the same through `new Troupe({ tools })`', () => {
    expect(() => new Troupe({ tools: [new Hello(), new Hello()] })).toThrow(ToolRegistrationError);
  });
});

describe('listTools', () => {
  it('describes each tool, defaults filled in', () => {
    const full = defineTool({
      name: 'full',
      version: '2.1.0',
      description: 'does all',
      capabilities: ['a', 'b'],
      provider: 'openai',
      idempotent: false,
      input: z.object({}),
      output: z.number(),
      execute: () => 1,
    });
    expect(new Troupe({ tools: [new Hello(), full] }).listTools()).toEqual({
      hello: {
        version: '1.0.0',
        description: '',
        capabilities: [],
        provider: 'hello',
        idempotent: true,
        hasInput: false,
        hasOutput: false,
      },
      full: {
        version: '2.1.0',
        description: 'does all',
        capabilities: ['a', 'b'],
        provider: 'openai',
        idempotent: false,
        hasInput: true,
        hasOutput: true,
      },
    });
  });

  it('gives a copy: changing it changes no tool', () => {
    const troupe = new Troupe({ tools: [defineTool({ name: 't', capabilities: ['a'], execute: () => 1 })] });
    (troupe.listTools()['t']!.capabilities as string[]).push('b');
    delete troupe.listTools()['t'];
    expect(troupe.listTools()['t']!.capabilities).toEqual(['a']);
  });
});

describe('breaker()', () => {
  it('operates a provider by hand: isolated until every handle is released', () => {
    const breaker = new Troupe().breaker('openai');
    const [one, two] = [breaker.isolate(), breaker.isolate()];
    one.release();
    one.release();
    expect(breaker.state).toBe('isolated');
    two.release();
    expect(breaker.state).toBe('closed');
    expect(JSON.parse(JSON.stringify(breaker.snapshot()))).toEqual(breaker.snapshot());
  });

  it('is the same for every asker, and refuses what is no name', () => {
    const troupe = new Troupe();
    troupe.breaker('openai').isolate();
    expect(troupe.breaker('openai').state).toBe('isolated');
    expect(() => troupe.breaker('')).toThrow(InvalidOptionsError);
  });
});
