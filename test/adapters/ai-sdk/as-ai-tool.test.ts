import { asSchema, generateText, stepCountIs } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { asAiTool, modelBundle, modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { defineTool, Orchestrator, ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { answer, scripted, type CallOptions } from './models.js';

const weather = (execute: (request: { city: string; days: number }, options: any, context: any) => any) =>
  defineTool({
    name: 'weather',
    description: 'Tells the weather.',
    input: z.object({ city: z.string().transform((city) => `${city}!`), days: z.number().default(1) }),
    execute,
  });

/** A model that calls a tool, and then answers. */
const calling = (toolName: string, input: object) =>
  scripted([
    {
      ...answer('', { reason: 'tool-calls' }),
      content: [{ type: 'tool-call', toolCallId: 'c1', toolName, input: JSON.stringify(input) }],
    },
    answer('Done.'),
  ]);

const toolResults = ({ prompt }: CallOptions) =>
  prompt.flatMap(({ role, content }) => (role === 'tool' ? content : [])) as any[];

describe('a tool of Troupe, given to a model', () => {
  const orchestrator = new ReliableOrchestrator({
    troupe: new Troupe({ reliability: { initialDelayMs: 1 } }),
  });

  it('is called, and its content goes back to the model', async () => {
    const seen: unknown[] = [];
    const tool = weather((request) => (seen.push(request), { sky: 'blue' }));
    const model = calling('weather', { city: 'Paris' });
    const result = await generateText({
      model,
      prompt: 'Weather in Paris?',
      tools: { weather: asAiTool(orchestrator, { tool }) },
      stopWhen: stepCountIs(3),
    });
    expect(result.text).toBe('Done.');
    // The schema transforms once, though both the SDK and Troupe check.
    expect(seen).toEqual([{ city: 'Paris!', days: 1 }]);
    expect(model.doGenerateCalls[0]!.tools).toMatchObject([
      {
        name: 'weather',
        description: 'Tells the weather.',
        inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    ]);
    expect(toolResults(model.doGenerateCalls[1]!)).toMatchObject([
      { toolName: 'weather', output: { type: 'json', value: { sky: 'blue' } } },
    ]);
  });

  it('has the retries of its orchestrator', async () => {
    let calls = 0;
    const tool = weather(() => {
      calls += 1;
      if (calls === 1) throw Object.assign(new Error('busy'), { status: 503 });
      return 'sunny';
    });
    const execute = asAiTool(orchestrator, { tool }).execute as any;
    expect(await execute({ city: 'Paris' }, {})).toBe('sunny');
    expect(calls).toBe(2);
  });

  it('that fails is an error to the model, which goes on', async () => {
    const tool = weather(() => {
      throw Object.assign(new Error('No such city'), { status: 404 });
    });
    const model = calling('weather', { city: 'Atlantis' });
    const result = await generateText({
      model,
      prompt: 'Weather?',
      tools: { weather: asAiTool(orchestrator, { tool }) },
      stopWhen: stepCountIs(3),
    });
    expect(result.text).toBe('Done.');
    const [{ output }] = toolResults(model.doGenerateCalls[1]!);
    expect(output.type).toBe('error-text');
    expect(output.value).toContain('No such city');
    await expect((asAiTool(orchestrator, { tool }).execute as any)({ city: 'x' }, {})).rejects.toMatchObject({
      name: 'ToolExecutionError',
      code: 'not_found',
    });
  });

  it('that is asked for something else is not run', async () => {
    let calls = 0;
    const tool = weather(() => (calls += 1));
    const model = calling('weather', { town: 'Paris' });
    await generateText({
      model,
      prompt: 'Weather?',
      tools: { weather: asAiTool(orchestrator, { tool }) },
      stopWhen: stepCountIs(3),
    });
    expect(calls).toBe(0);
    expect(toolResults(model.doGenerateCalls[1]!)[0].output.type).toBe('error-text');
  });

  it("is cancelled by the SDK's signal", async () => {
    const controller = new AbortController();
    let reason: unknown;
    const tool = weather((_request, _options, { signal }) => {
      queueMicrotask(() => controller.abort(new Error('enough')));
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject((reason = signal.reason)));
      });
    });
    const execute = asAiTool(orchestrator, { tool }).execute as any;
    const run = execute({ city: 'Paris' }, { abortSignal: controller.signal });
    await expect(run).rejects.toMatchObject({ name: 'AbortError', code: 'cancelled' });
    expect(reason).toBeDefined();
  });

  it('takes options of its runs, and says what the model gets', async () => {
    const tool = defineTool({
      name: 't',
      input: z.object({ a: z.number() }),
      execute: (_request, options: { unit?: string }, { traceId }) => ({ unit: options.unit, traceId }),
    });
    const made = asAiTool(orchestrator, {
      tool,
      description: 'Mine.',
      toolOptions: { unit: 'K' },
      options: { traceId: 't-1' },
      result: (content, { usage }) => `${content.unit} ${content.traceId} ${usage.calls}`,
    });
    expect(made.description).toBe('Mine.');
    expect(await (made.execute as any)({ a: 1 }, {})).toBe('K t-1 1');
  });

  it('may be named', async () => {
    const named = new Orchestrator(new Troupe({ tools: [weather(({ city }) => city)] }));
    const made = asAiTool(named, { toolName: 'weather', inputSchema: z.object({ city: z.string() }) });
    expect(await (made.execute as any)({ city: 'Paris' }, {})).toBe('Paris!');
  });

  it('may be a model tool, which is asked by `query`, or a bundle', async () => {
    const made = asAiTool(orchestrator, { tool: modelTool({ name: 'm', model: scripted([answer('Hi')]) }) });
    expect(await asSchema(made.inputSchema).jsonSchema).toMatchObject({
      type: 'object',
      properties: { query: { type: 'string' } },
      required: ['query'],
    });
    expect(await (made.execute as any)({ query: 'Hello' }, {})).toBe('Hi');
    const bundle = asAiTool(orchestrator, {
      tool: modelBundle({ name: 'b', model: scripted([answer('Hi')]), k: 2 }),
      result: ({ evidenceBundle }) => evidenceBundle.summary.leader,
    });
    expect(await (bundle.execute as any)({ query: 'Hello' }, {})).toBe('Hi');
  });
});
