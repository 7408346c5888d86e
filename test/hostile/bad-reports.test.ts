import { describe, expect, it } from 'vitest';
import { toolResult, type ReportedUsage } from '../../src/index.js';
import { hang, ok, type ScriptedCall } from '../../src/testing/index.js';
import { ESTIMATE, trial, watchRejections } from './harness.js';

watchRejections();

const boom = (): never => {
  throw new Error('boom');
};
const circle: { self?: unknown } = {};
circle.self = circle;

describe('usage a tool reports', () => {
  const reserved = { totalTokens: ESTIMATE.tokens, costUsd: ESTIMATE.costUsd, calls: 1, estimated: true };
  const reports: [string, unknown, object, RegExp | null][] = [
    ['missing', undefined, reserved, null],
    ['empty', {}, reserved, null],
    ['a text', 'many', reserved, null],
    ['negative', { totalTokens: -5, costUsd: -1 }, reserved, /`totalTokens` is no amount/],
    ['NaN', { inputTokens: NaN }, reserved, /`inputTokens` is no amount/],
    ['Infinity', { totalTokens: Infinity, costUsd: 0.5 }, reserved, /`totalTokens` is no amount/],
    ['texts for numbers', { totalTokens: '5' }, reserved, /`totalTokens` is no amount/],
    ['getters that throw', { get totalTokens() { return boom(); } }, reserved, /`totalTokens`/], // prettier-ignore
    [
      'one part negative',
      { inputTokens: 5, outputTokens: -2 },
      { totalTokens: 5, estimated: false },
      /`outputTokens`/,
    ],
    [
      'a total below its parts',
      { inputTokens: 5, outputTokens: 5, totalTokens: 1 },
      { totalTokens: 10 },
      null,
    ],
    ['a cost that is NaN', { totalTokens: 5, costUsd: NaN }, { totalTokens: 5, costUsd: 0 }, /`costUsd`/],
  ];
  it.each(reports)('%s', async (_name, usage, counted, warning) => {
    const { output } = await trial([() => toolResult({ content: 'x', usage: usage as ReportedUsage })]);
    expect(output.status).toBe('completed');
    expect(output.usage).toMatchObject(counted);
    if (warning) expect(output.metadata.warnings.join()).toMatch(warning);
  });

  it('below what was charged: the charges stand, with a warning', async () => {
    const { output } = await trial([
      ({ context }) => {
        context.budget.charge({ inputTokens: 40, outputTokens: 10, costUsd: 0.05 });
        return toolResult({ content: 'x', usage: { totalTokens: 20, costUsd: 0.01 } });
      },
    ]);
    expect(output.usage).toMatchObject({ totalTokens: 50, costUsd: 0.05, estimated: false });
    expect(output.metadata.warnings.join()).toMatch(/less usage than it had charged/);
  });

  it('above what was charged: it replaces the charges', async () => {
    const { output } = await trial([
      ({ context }) => {
        context.budget.charge({ totalTokens: 40, costUsd: 0.05 });
        return toolResult({ content: 'x', usage: { totalTokens: 60, costUsd: 0.07 } });
      },
    ]);
    expect(output.usage).toMatchObject({ totalTokens: 60, costUsd: 0.07, calls: 1 });
    expect(output.metadata.warnings).toEqual([]);
  });

  it('charges that are no amounts are ignored with a warning, and never thrown at the tool', async () => {
    const rubbish: unknown[] = [undefined, null, 5, 'x', {}, { totalTokens: NaN }, { totalTokens: -1 }];
    const { output } = await trial([
      ({ context }) => {
        for (const usage of rubbish) context.budget.charge(usage as ReportedUsage);
        context.budget.charge({ totalTokens: 3 });
        return 'x';
      },
    ]);
    expect(output).toMatchObject({ status: 'completed', usage: { totalTokens: 3 } });
    expect(output.metadata.warnings.join()).toMatch(/charged a usage of which `totalTokens` is no amount/);
  });

  it('charged before it threw, or was cancelled: counted', async () => {
    const charging = (then: (call: ScriptedCall) => unknown) => (call: ScriptedCall) => {
      call.context.budget.charge({ totalTokens: 150, costUsd: 0.2 });
      return then(call);
    };
    const failed = await trial([charging(boom)]);
    expect(failed.output).toMatchObject({ status: 'failed', usage: { totalTokens: 150, costUsd: 0.2 } });
    const cancelled = await trial([charging(hang())], { meanwhile: (run) => run.cancel() });
    expect(cancelled.output).toMatchObject({
      status: 'cancelled',
      usage: { totalTokens: 150, costUsd: 0.2 },
    });
  });

  it('a charge beyond the limit aborts the call', async () => {
    const { output, tool, error } = await trial([
      (call) => {
        call.context.budget.charge({ totalTokens: 20_000 });
        return hang()(call);
      },
    ]);
    expect(output.status).toBe('budget_exceeded');
    expect(error).toMatchObject({ name: 'BudgetExceeded', resource: 'tokens', limit: 10_000 });
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
    expect(output.usage.totalTokens).toBe(20_000);
  });

  it('charged after it settled: not counted, nothing breaks', async () => {
    let late = (): void => {};
    const { budget } = await trial([
      ({ context }) => {
        late = () => context.budget.charge({ totalTokens: 500 });
        return toolResult({ content: 'x', usage: { totalTokens: 1 } });
      },
    ]);
    late();
    expect(budget.spent.tokens).toBe(1);
  });
});

describe('events a tool emits', () => {
  const rubbish: unknown[] = [
    undefined,
    null,
    5,
    'text',
    {},
    { type: 5 },
    { type: 'a', data: circle },
    { type: 'b', n: 1n },
    { type: 'c', fn: boom },
    { type: 'd', get bad() { return boom(); } }, // prettier-ignore
    { type: 'e', text: 'x'.repeat(2_000_000) },
    { type: 'f', data: new Proxy({}, { ownKeys: boom }) },
  ];

  it('rubbish is left out with a warning; the run and the other events go on', async () => {
    const { output, events } = await trial([
      ({ context }) => {
        for (const event of rubbish) context.emit(event as never);
        context.emit({ type: 'fine', data: 1 });
        return 'x';
      },
    ]);
    expect(output.status).toBe('completed');
    const told = events.filter((event) => event.type === 'tool_event');
    expect(told).toMatchObject([{ name: 'fine', data: { data: 1 } }]);
    const warnings = events.filter((event) => event.type === 'warning');
    expect(warnings).toHaveLength(rubbish.length);
    expect(warnings.every((event) => event.type === 'warning' && event.code === 'event_ignored')).toBe(true);
  });

  it("the run's own events cannot be imitated, nor their stamps", async () => {
    const types = ['run_started', 'run_completed', 'error', 'timeout', 'cancelled', 'retry_scheduled'];
    const { events } = await trial([
      ({ context }) => {
        for (const type of types) context.emit({ type, seq: -1, runId: 'forged', status: 'failed' });
        return 'x';
      },
    ]);
    const told = events.filter((event) => event.type === 'tool_event');
    expect(told.map((event) => event.type === 'tool_event' && event.name)).toEqual(types);
    expect(new Set(events.map((event) => event.runId)).size).toBe(1);
    expect(events.at(-1)).toMatchObject({ type: 'run_completed', status: 'completed' });
  });

  it('emitted after the call settled, or was aborted: nobody hears it', async () => {
    let late = (): void => {};
    const answered = await trial([
      ({ context }) => {
        late = () => context.emit({ type: 'late' });
        void Promise.resolve().then(() => Promise.resolve().then(late));
        return 'x';
      },
    ]);
    late();
    expect(answered.events.map((event) => event.type)).not.toContain('tool_event');
    const cancelled = await trial(
      [
        (call) => {
          call.context.signal.addEventListener('abort', () => call.context.emit({ type: 'late' }));
          return hang()(call);
        },
      ],
      { meanwhile: (run) => run.cancel() },
    );
    expect(cancelled.events.map((event) => event.type)).not.toContain('tool_event');
  });

  it('many thousands of events harm nobody', async () => {
    const { output, events } = await trial([
      ({ context }) => {
        for (let n = 0; n < 20_000; n++) context.emit({ type: 'tick', n });
        return 'x';
      },
    ]);
    expect(output.status).toBe('completed');
    expect(events.length).toBeLessThan(3000);
  });

  it('a tool that changes an event after it was emitted changes nothing', async () => {
    const data = { n: 1 };
    const { events } = await trial([
      ({ context }) => {
        context.emit({ type: 'mine', data });
        data.n = 2;
        return ok('x')({ context } as ScriptedCall);
      },
    ]);
    expect(events.find((event) => event.type === 'tool_event')).toMatchObject({ data: { data: { n: 1 } } });
  });
});
