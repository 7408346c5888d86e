import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  asAiTool,
  modelBundle,
  modelTool,
  type ModelRequest,
  type ModelSettings,
} from '../../src/adapters/ai-sdk/index.js';
import {
  Orchestrator,
  orThrow,
  ReliableOrchestrator,
  Troupe,
  type BundleContent,
  type ContentOf,
  type OptionsOf,
  type RequestOf,
} from '../../src/index.js';

const model = 'acme/model';
const person = z.object({ name: z.string(), born: z.string().transform(Number) });

describe('the types of a model tool', () => {
  it('are a text without a schema, and the default forms of request', () => {
    const tool = modelTool({ name: 'ask', model });
    expectTypeOf(tool.name).toEqualTypeOf<'ask'>();
    expectTypeOf<ContentOf<typeof tool>>().toEqualTypeOf<string>();
    expectTypeOf<RequestOf<typeof tool>>().toEqualTypeOf<ModelRequest>();
    expectTypeOf<OptionsOf<typeof tool>>().toEqualTypeOf<ModelSettings>();
  });

  it('are what the schema gives, through a run', async () => {
    const tool = modelTool({ name: 'who', model, schema: person });
    const output = await new ReliableOrchestrator({ troupe: new Troupe() }).run({
      tool,
      request: { query: 'Who?' },
      toolOptions: { temperature: 0 },
    });
    expectTypeOf(orThrow(output)).toEqualTypeOf<{ name: string; born: number }>();
    const named = await new Orchestrator(new Troupe({ tools: [tool] })).run({
      toolName: 'who',
      request: 'Who?',
    });
    expectTypeOf(orThrow(named)).toEqualTypeOf<{ name: string; born: number }>();
    // @ts-expect-error no such form of request
    void new Orchestrator(new Troupe()).run({ tool, request: { question: 'Who?' } });
    // @ts-expect-error no such setting
    void new Orchestrator(new Troupe()).run({ tool, request: 'Who?', toolOptions: { temperatur: 0 } });
  });

  it('are those of `input` and `prompt`, where they are given', () => {
    const typed = modelTool({
      name: 't',
      model,
      input: z.object({ text: z.string(), to: z.string().default('French') }),
      prompt: (request) => {
        expectTypeOf(request).toEqualTypeOf<{ text: string; to: string }>();
        return `${request.to}: ${request.text}`;
      },
    });
    expectTypeOf<RequestOf<typeof typed>>().toEqualTypeOf<{ text: string; to?: string | undefined }>();
    const annotated = modelTool({ name: 't', model, prompt: (request: { id: number }) => `${request.id}` });
    expectTypeOf<RequestOf<typeof annotated>>().toEqualTypeOf<{ id: number }>();
  });
});

describe('the types of a model bundle', () => {
  it('are an evidence bundle of what the schema gives', () => {
    const tool = modelBundle({
      name: 'b',
      model,
      schema: person,
      k: 5,
      equivalent: (a, b) => a.born === b.born,
    });
    expectTypeOf<ContentOf<typeof tool>>().toEqualTypeOf<BundleContent<{ name: string; born: number }>>();
    expectTypeOf<RequestOf<typeof tool>>().toEqualTypeOf<ModelRequest>();
    const texts = modelBundle({
      name: 'b',
      model,
      input: z.object({ id: z.number() }),
      prompt: ({ id }) => `${id}`,
    });
    expectTypeOf<ContentOf<typeof texts>>().toEqualTypeOf<BundleContent<string>>();
    expectTypeOf<RequestOf<typeof texts>>().toEqualTypeOf<{ id: number }>();
  });

  it('run', async () => {
    const tool = modelBundle({ name: 'b', model, schema: person });
    const output = await new Orchestrator(new Troupe()).run({ tool, request: 'Who?', toolOptions: { k: 2 } });
    expectTypeOf(orThrow(output).evidenceBundle.replicates[0]!.data).toExtend<unknown>();
  });
});

describe('the types of a tool for the AI SDK', () => {
  it('are those of the tool, or of `result`', () => {
    const tool = modelTool({ name: 'who', model, schema: person });
    const made = asAiTool(new Orchestrator(new Troupe()), { tool });
    type Made = Awaited<Exclude<ReturnType<NonNullable<typeof made.execute>>, AsyncIterable<any>>>;
    expectTypeOf<Made>().toEqualTypeOf<{ name: string; born: number }>();
    asAiTool(new Orchestrator(new Troupe()), { tool, result: ({ born }) => born.toFixed() });
  });
});
