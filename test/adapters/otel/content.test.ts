import { describe, expect, it } from 'vitest';
import { createSimulation, fail, ok, scriptedBundle, scriptedTool } from '../../../src/testing/index.js';
import { statusOf, telemetry, useContextManager } from './telemetry.js';
import type { OtelTracingOptions } from '../../../src/adapters/otel/index.js';

useContextManager();

const SECRET = 'sk-hush-4711';

/** Everything a run can say, with the secret wherever a caller or a tool can put one. */
async function talk(options: OtelTracingOptions, runOptions: Record<string, unknown> = {}) {
  const t = telemetry(options);
  const sim = createSimulation({ tracing: t.tracing, logger: silent });
  const noisy = scriptedTool('noisy', [
    fail(503, { message: `busy with ${SECRET}`, code: SECRET, body: SECRET }),
    ({ context }) => {
      context.emit({ type: 'warning', message: SECRET });
      context.emit({ type: 'delta', text: SECRET });
      context.emit({ type: SECRET, data: SECRET });
      context.emit({ type: 'bundle_ready', stopReason: SECRET, k: SECRET });
      return { answer: SECRET };
    },
  ]);
  const failing = scriptedTool('failing', [fail(400, { message: SECRET })]);
  const crooked = scriptedTool('crooked', [ok(SECRET)], {
    output: { '~standard': { version: 1, vendor: 't', validate: () => ({ issues: [{ message: SECRET }] }) } },
  });
  const bundle = scriptedBundle('bundle', [ok(SECRET), fail(400, { message: SECRET }), ok(SECRET)]);
  const nesting = scriptedTool('nesting', [
    ({ context }) =>
      context.run({ tool: scriptedTool('inner', [fail(400, { message: SECRET })]), request: SECRET }),
  ]);
  for (const tool of [noisy, failing, crooked, bundle, nesting]) {
    await sim
      .run({
        tool,
        request: { prompt: SECRET },
        toolOptions: tool === bundle ? { k: 3 } : { key: SECRET },
        options: { streaming: true, metadata: { secret: SECRET }, ...runOptions },
      })
      .catch(() => {});
  }
  const run = sim.reliable.start({ tool: noisy, request: SECRET });
  run.cancel(new Error(SECRET));
  await run.output.catch(() => {});
  return t;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe('content', () => {
  it('is in nothing that leaves, by default', async () => {
    const t = await talk({});
    expect(t.spans().length).toBeGreaterThan(12);
    expect(await t.exported()).not.toContain(SECRET);
  });

  it('is in nothing of a run with a `redact`, whatever the option says', async () => {
    const t = await talk({ content: true }, { redact: (event: unknown) => event });
    const own = t.spans().filter((span) => span.attributes['troupe.status'] !== 'cancelled');
    expect(own.length).toBeGreaterThan(10);
    expect(own.some(({ name }) => name === 'execute_tool inner')).toBe(true);
    const told = own.map(({ attributes, events, status }) => [attributes, events, status]);
    expect(JSON.stringify(told)).not.toContain(SECRET);
  });

  it('`content: true` shows request, answer and errors, by the names of the conventions', async () => {
    const t = telemetry({ content: true });
    const sim = createSimulation({ tracing: t.tracing });
    await sim.run({ tool: scriptedTool('t', [ok({ a: 1 })]), request: { q: 'why' } });
    await sim.run({ tool: scriptedTool('u', [fail(400, { message: 'no such thing' })]), request: 'why' });
    expect(t.span('execute_tool t').attributes).toMatchObject({
      'gen_ai.tool.call.arguments': '{"q":"why"}',
      'gen_ai.tool.call.result': '{"a":1}',
    });
    const run = t.span('invoke_workflow t').attributes;
    expect(JSON.parse(run['gen_ai.input.messages'] as string)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: '{"q":"why"}' }] },
    ]);
    expect(JSON.parse(run['gen_ai.output.messages'] as string)).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: '{"a":1}' }], finish_reason: 'stop' },
    ]);
    const failed = t.span('execute_tool u');
    expect(statusOf(failed)).toBe('ERROR');
    expect(failed.status.message).toContain('no such thing');
    expect(failed.events.at(-1)).toMatchObject({
      name: 'exception',
      attributes: { 'exception.type': 'validation' },
    });
    expect(failed.attributes['error.type']).toBe('validation');
  });

  it('is cut at 8192 characters, never in the middle of one, and stays JSON', async () => {
    const t = telemetry({ content: true });
    const sim = createSimulation({ tracing: t.tracing });
    const long = `${'x'.repeat(8190)}${'😀'.repeat(10)}`;
    await sim.run({ tool: scriptedTool('t', [ok(long)]), request: { text: 'y'.repeat(100_000) } });
    const call = t.span('execute_tool t').attributes;
    expect((call['gen_ai.tool.call.arguments'] as string).length).toBe(8192);
    expect(call['gen_ai.tool.call.result']).toBe(`${'x'.repeat(8190)}…`);
    const { attributes } = t.span('invoke_workflow t');
    expect(() => JSON.parse(attributes['gen_ai.input.messages'] as string)).not.toThrow();
  });
});

describe('`attributes`', () => {
  it('adds to the span of the run, and cannot replace ours', async () => {
    const t = telemetry({
      attributes: (run) => ({
        'app.user': String(run.metadata?.['user']),
        'app.tool': run.toolName ?? 'none',
        'troupe.run.id': 'fake',
      }),
    });
    const sim = createSimulation({ tracing: t.tracing });
    await sim.run({ tool: scriptedTool('t', [ok()]), request: {}, options: { metadata: { user: 'u1' } } });
    const { attributes } = t.span('invoke_workflow t');
    expect(attributes).toMatchObject({ 'app.user': 'u1', 'app.tool': 't' });
    expect(attributes['troupe.run.id']).not.toBe('fake');
  });

  it('does not get the request of a run with a `redact`', async () => {
    const seen: unknown[] = [];
    const t = telemetry({ attributes: (run) => (seen.push(run.request), {}) });
    const sim = createSimulation({ tracing: t.tracing });
    const tool = scriptedTool('t', [ok()]);
    await sim.run({ tool, request: { a: 1 } });
    await sim.run({ tool, request: { a: 1 }, options: { redact: (event) => event } });
    expect(seen).toEqual([{ a: 1 }, undefined]);
  });

  it('that throws costs its attributes, not the span', async () => {
    const t = telemetry({
      attributes: () => {
        throw new Error('no');
      },
    });
    const sim = createSimulation({ tracing: t.tracing });
    await sim.run({ tool: scriptedTool('t', [ok()]), request: {} });
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t']]);
  });
});
