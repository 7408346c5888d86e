import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  defineTool,
  Orchestrator,
  orThrow,
  ReliableOrchestrator,
  Tool,
  toolResult,
  Troupe,
  type AnyTool,
  type BudgetExceeded,
  type ContentOf,
  type ErrorJson,
  type JsonObject,
  type JsonValue,
  type OrchestrationOutput,
  type RequestOf,
  type Run,
  type ToolContext,
  type ToolResult,
} from '../../src/index.js';

class Search extends Tool<{ query: string }, { hits: number[] }, { limit: number; lang?: string }> {
  readonly name = 'search';
  async execute(request: { query: string }, options: { limit: number; lang?: string }, context: ToolContext) {
    await Promise.resolve([request, options, context]);
    return { hits: [1] };
  }
}

const sum = defineTool({
  name: 'sum',
  input: z.object({ values: z.array(z.number()), label: z.string().default('sum') }),
  output: z.object({ total: z.number() }),
  execute: ({ values, label }, _options, context) => {
    expectTypeOf(values).toEqualTypeOf<number[]>();
    expectTypeOf(label).toEqualTypeOf<string>();
    expectTypeOf(context).toEqualTypeOf<ToolContext>();
    return { total: values.length };
  },
});

const length = defineTool({
  name: 'length',
  input: z.string().transform((text) => text.length),
  output: z.number().transform((n) => `${n} letters`),
  execute: (request) => {
    expectTypeOf(request).toEqualTypeOf<number>();
    return request;
  },
});

const bare = defineTool({ name: 'bare', execute: (request) => ({ got: request }) });

const search = new Search();
const troupe = new Troupe({ tools: [search, sum, length] });
const orchestrator = new Orchestrator(troupe);
const contentOf = <Content>(output: OrchestrationOutput<Content>) => orThrow(output);

describe('run({ tool })', () => {
  const untyped = new Orchestrator();

  it('infers the answer of a class tool', async () => {
    const output = await untyped.run({ tool: search, request: { query: 'x' }, toolOptions: { limit: 3 } });
    expectTypeOf(output).toEqualTypeOf<OrchestrationOutput<{ hits: number[] }>>();
    expectTypeOf(contentOf(output)).toEqualTypeOf<{ hits: number[] }>();
  });

  it('takes a text for any tool, and options in part', async () => {
    expectTypeOf(await untyped.run({ tool: search, request: 'x' })).toEqualTypeOf<
      OrchestrationOutput<{ hits: number[] }>
    >();
    void untyped.run({ tool: search, request: 'x', toolOptions: { lang: 'en' } });
  });

  it('refuses a wrong request and wrong options', () => {
    // @ts-expect-error a number is no query
    void untyped.run({ tool: search, request: { query: 5 } });
    // @ts-expect-error the query is missing
    void untyped.run({ tool: search, request: {} });
    // @ts-expect-error no such option
    void untyped.run({ tool: search, request: { query: 'x' }, toolOptions: { limits: 3 } });
    // @ts-expect-error the limit is a number
    void untyped.run({ tool: search, request: { query: 'x' }, toolOptions: { limit: 'three' } });
    // @ts-expect-error a class is no tool
    void untyped.run({ tool: Search, request: {} });
    // @ts-expect-error no such run option
    void untyped.run({ tool: search, request: 'x', options: { timeout: 5 } });
  });

  it('infers request and answer from schemas: what goes in is before defaults and transforms', async () => {
    const output = await untyped.run({ tool: sum, request: { values: [1] } });
    expectTypeOf(contentOf(output)).toEqualTypeOf<{ total: number }>();
    // @ts-expect-error values are numbers
    void untyped.run({ tool: sum, request: { values: ['1'] } });
    const letters = await untyped.run({ tool: length, request: 'abc' });
    expectTypeOf(contentOf(letters)).toEqualTypeOf<string>();
    // @ts-expect-error the schema takes a text, a number is what it gives
    void untyped.run({ tool: length, request: 3 });
  });

  it('infers the answer of a tool without schemas from its `execute`', async () => {
    const output = await untyped.run({ tool: bare, request: { anything: true } });
    expectTypeOf(contentOf(output)).toEqualTypeOf<{ got: JsonValue }>();
  });

  it('is the same for start(), and for ReliableOrchestrator', () => {
    const run = new ReliableOrchestrator({ troupe }).start({ tool: search, request: 'x' });
    expectTypeOf(run).toEqualTypeOf<Run<{ hits: number[] }>>();
    expectTypeOf(run.output).toEqualTypeOf<Promise<OrchestrationOutput<{ hits: number[] }>>>();
  });
});

describe('new Troupe({ tools })', () => {
  it('types `toolName` and what belongs to it', async () => {
    const hits = await orchestrator.run({
      toolName: 'search',
      request: { query: 'x' },
      toolOptions: { limit: 1 },
    });
    expectTypeOf(contentOf(hits)).toEqualTypeOf<{ hits: number[] }>();
    const total = await orchestrator.run({ toolName: 'sum', request: { values: [1, 2] } });
    expectTypeOf(contentOf(total)).toEqualTypeOf<{ total: number }>();
    const letters = await orchestrator.run({ toolName: 'length', request: 'abc' });
    expectTypeOf(contentOf(letters)).toEqualTypeOf<string>();
  });

  it('refuses a wrong request or wrong options for a known name', () => {
    // @ts-expect-error the request of sum has values
    void orchestrator.run({ toolName: 'sum', request: { query: 'x' } });
    // @ts-expect-error the request of search has a query
    void orchestrator.run({ toolName: 'search', request: { values: [1] } });
    // @ts-expect-error search has no such option
    void orchestrator.run({ toolName: 'search', request: { query: 'x' }, toolOptions: { depth: 1 } });
    // @ts-expect-error also for start()
    void orchestrator.start({ toolName: 'search', request: { values: [1] } });
    // @ts-expect-error also with a ReliableOrchestrator
    void new ReliableOrchestrator({ troupe }).run({ toolName: 'search', request: { values: [1] } });
  });

  it('leaves content `unknown` for a bare string, and for a name it does not know', async () => {
    const name: string = 'search';
    const output = await orchestrator.run({ toolName: name, request: { whatever: 1 } });
    expectTypeOf(output).toEqualTypeOf<OrchestrationOutput<unknown>>();
    const other = await new Orchestrator().run({ toolName: 'search', request: { whatever: 1 } });
    expectTypeOf(contentOf(other)).toBeUnknown();
    const planned = await new ReliableOrchestrator({ troupe }).run({ request: { whatever: 1 } });
    expectTypeOf(contentOf(planned)).toBeUnknown();
  });
});

describe('names the compiler does not know', () => {
  it('compile with any request and `unknown` content, for a list of tools made at run time too', async () => {
    const tools: AnyTool[] = [];
    const dynamic = new Orchestrator(new Troupe({ tools }));
    const output = await dynamic.run({ toolName: 'search', request: { whatever: 1 }, toolOptions: { x: 1 } });
    expectTypeOf(contentOf(output)).toBeUnknown();
    expectTypeOf(dynamic.start({ toolName: 'search', request: {} })).toEqualTypeOf<Run<unknown>>();
  });
});

describe('an error of a run', () => {
  it('has the output, with its type', () => {
    expectTypeOf<BudgetExceeded['output']>().toEqualTypeOf<OrchestrationOutput | undefined>();
  });
});

describe('an output', () => {
  it('is discriminated by `status`', async () => {
    const output = await orchestrator.run({ tool: search, request: 'x' });
    if (output.status === 'completed') {
      expectTypeOf(output.content).toEqualTypeOf<{ hits: number[] }>();
      expectTypeOf(output.error).toEqualTypeOf<undefined>();
    } else if (output.status === 'partial') {
      expectTypeOf(output.content).toEqualTypeOf<{ hits: number[] }>();
      expectTypeOf(output.error).toEqualTypeOf<ErrorJson | undefined>();
    } else {
      expectTypeOf(output.status).toEqualTypeOf<'failed' | 'timed_out' | 'budget_exceeded' | 'cancelled'>();
      expectTypeOf(output.content).toBeUnknown();
      expectTypeOf(output.error).toEqualTypeOf<ErrorJson>();
    }
  });

  it('does not give its content away unasked', async () => {
    const output = await orchestrator.run({ tool: search, request: 'x' });
    // @ts-expect-error it may have failed
    void output.content.hits;
  });
});

describe('tools', () => {
  it('may return a toolResult, and the content keeps its type', async () => {
    const priced = defineTool({
      name: 'priced',
      execute: () => toolResult({ content: { n: 1 }, usage: { totalTokens: 1 } }),
    });
    expectTypeOf(toolResult({ content: 'x' })).toEqualTypeOf<ToolResult<string>>();
    expectTypeOf(contentOf(await orchestrator.run({ tool: priced, request: {} }))).toEqualTypeOf<{
      n: number;
    }>();
    class Priced extends Tool<JsonValue, number> {
      readonly name = 'priced';
      async execute() {
        return Promise.resolve(toolResult({ content: 1, usage: { costUsd: 0.1 } }));
      }
    }
    expectTypeOf(
      contentOf(await orchestrator.run({ tool: new Priced(), request: 'x' })),
    ).toEqualTypeOf<number>();
  });

  it('may answer by promise with one of several types', () => {
    const flips = defineTool({ name: 'flips', execute: async (): Promise<boolean> => Promise.resolve(true) });
    expectTypeOf<ContentOf<typeof flips>>().toEqualTypeOf<boolean>();
    const either = defineTool({
      name: 'either',
      execute: async (): Promise<{ a: 1 } | { b: 2 }> => Promise.resolve({ a: 1 }),
    });
    expectTypeOf<ContentOf<typeof either>>().toEqualTypeOf<{ a: 1 } | { b: 2 }>();
    const atOnce = defineTool({ name: 'at-once', execute: (): string | null => null });
    expectTypeOf<ContentOf<typeof atOnce>>().toEqualTypeOf<string | null>();
  });

  it('declare what a request for them may be', () => {
    expectTypeOf<RequestOf<typeof sum>>().toEqualTypeOf<{ values: number[]; label?: string | undefined }>();
    expectTypeOf<RequestOf<typeof length>>().toEqualTypeOf<string>();
    expectTypeOf<RequestOf<Search>>().toEqualTypeOf<{ query: string }>();
    expectTypeOf<RequestOf<typeof bare>>().toEqualTypeOf<JsonValue>();
  });

  it('must return what their `output` schema takes', () => {
    defineTool({
      name: 'wrong',
      output: z.object({ total: z.number() }),
      // @ts-expect-error the total is a number
      execute: () => ({ total: 'five' }),
    });
  });

  it('have their names known to the compiler', () => {
    expectTypeOf(sum.name).toEqualTypeOf<'sum'>();
    expectTypeOf<Search['name']>().toEqualTypeOf<'search'>();
  });

  it('get JSON options when they declare none, and may run other tools with all types kept', () => {
    defineTool({
      name: 'outer',
      execute: async (_request, options, context) => {
        expectTypeOf(options).toEqualTypeOf<JsonObject>();
        const output = await context.run({ tool: sum, request: { values: [1] } });
        expectTypeOf(output).toEqualTypeOf<OrchestrationOutput<{ total: number }>>();
        // @ts-expect-error values are numbers
        void context.run({ tool: sum, request: { values: ['1'] } });
        return output.elapsedMs;
      },
    });
  });
});
