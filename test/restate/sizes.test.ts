import { describe, expect, it } from 'vitest';
import { defineTool, orThrow, Troupe } from '../../src/index.js';
import { fittingAnswer, fittingReplicate } from '../../src/restate/fitting.js';
import { aServer, served } from './scene.js';

const scene = aServer();
const MIB = 1024 * 1024;
const large = { maxOutputBytes: 64 * MIB, reliability: { maxRetries: 0, breaker: false } } as const;

it('an answer that Restate does not keep is not asked for again, and says so', async () => {
  let calls = 0;
  const tool = defineTool({
    name: 't',
    execute: ({ mib }: { mib: number }, _options, { budget }) => {
      calls += 1;
      budget.charge({ totalTokens: 7 });
      return 'x'.repeat(mib * MIB);
    },
  });
  await served(scene.server, new Troupe({ tools: [tool], ...large }), async (client) => {
    const { error, usage } = await client.run({ toolName: 't', request: { mib: 40 } });
    expect(usage.totalTokens).toBe(7);
    expect(error).toMatchObject({
      code: 'invalid_output',
      message: expect.stringContaining('Restate keeps'),
    });
    expect(calls).toBe(1);
    const output = await client.run({ toolName: 't', request: { mib: 20 } });
    expect((orThrow(output) as string).length).toBe(20 * MIB);
    expect(calls).toBe(2);
  });
});

it('events of tools are left out where there are too many for an answer, and calls counted together', async () => {
  const tool = defineTool({
    name: 't',
    execute: ({ mib }: { mib: number }, _options, { attempt, emit }) => {
      if (attempt === 2) return 'x'.repeat(mib * MIB);
      for (let i = 0; i < 3; i++) emit({ type: 'part', data: '\u0001'.repeat(MIB / 6) } as never);
      throw Object.assign(new Error('again'), { status: 503 });
    },
  });
  const reliability = { maxRetries: 1, initialDelayMs: 1, breaker: false } as const;
  await served(scene.server, new Troupe({ tools: [tool], ...large, reliability }), async (client) => {
    const run = client.start({ toolName: 't', request: { mib: 25 } });
    expect((orThrow(await run.output) as string).length).toBe(25 * MIB);
    const types = [];
    for await (const { type } of run.events) types.push(type);
    expect(types.at(-1)).toBe('run_completed');
    expect(types).toContain('tool_event');
    const { error } = await client.run({ toolName: 't', request: { mib: 29 } });
    expect(error).toMatchObject({ code: 'invalid_output' });
  });
});

describe('what is too large for one entry', () => {
  const events = [
    { type: 'run_started' },
    { type: 'tool_event', data: 'y'.repeat(20 * MIB) },
    { type: 'run_completed' },
  ];
  const ids = { runId: 'r', caller: 'c', fingerprint: 'f' };
  const output = { status: 'completed', content: '', usage: { calls: 2 } };
  const answerWith = (content: string) => ({ ...ids, events, output: { ...output, content } }) as never;

  it('is an answer without what tools sent, where that is enough', () => {
    const small = answerWith('x');
    expect(fittingAnswer(small)).toBe(small);
    const told = fittingAnswer(answerWith('x'.repeat(20 * MIB)));
    expect(told.events.map(({ type }) => type)).toEqual(['run_started', 'run_completed']);
    expect((told.output!.content as string).length).toBe(20 * MIB);
  });

  it('is an error that tells what the run has used, where it is not', () => {
    const told = fittingAnswer(answerWith('x'.repeat(32 * MIB)));
    expect(told.error).toMatchObject({ code: 'internal', message: expect.stringContaining('Restate keeps') });
    expect(told.output).toMatchObject({ status: 'failed', content: undefined, usage: { calls: 2 } });
  });

  it('is a replicate without what its tool sent, or none', () => {
    const replicate = (data: string) => ({ status: 'valid', report: { data }, events }) as never;
    expect(fittingReplicate(replicate('x'.repeat(20 * MIB))).events).toHaveLength(2);
    expect(() => fittingReplicate(replicate('x'.repeat(32 * MIB)))).toThrow('more than Restate keeps');
  });
});
