import { beforeAll, describe, expect, it } from 'vitest';
import { budgetMachine, type BudgetEvent } from '../../src/machines/index.js';
import { Coverage, explore, isPlainJson, walk, type Walk } from './coverage.js';

const free = { spent: { tokens: 5, costUsd: 0 }, reserved: { tokens: 0, costUsd: 0 } };
const held = { spent: { tokens: 5, costUsd: 0 }, reserved: { tokens: 3, costUsd: 0 } };
const heldUsd = { spent: { tokens: 5, costUsd: 0 }, reserved: { tokens: 0, costUsd: 0.5 } };
const input = { limits: { tokens: 10 } };

const EVENTS: readonly BudgetEvent[] = [
  { type: 'reserved', ...held },
  { type: 'settled', ...held },
  { type: 'settled', ...heldUsd },
  { type: 'settled', ...free },
  { type: 'warn', resource: 'tokens', limit: 10, amount: 8, ...held },
  { type: 'exhaust', ...held },
  { type: 'renew', ...free },
];

const go = (...events: BudgetEvent[]) => walk(budgetMachine, input, events);
const [reserve, settleSome, settleSomeUsd, settleAll, warn, exhaust, renew] = EVENTS as [
  BudgetEvent,
  BudgetEvent,
  BudgetEvent,
  BudgetEvent,
  BudgetEvent,
  BudgetEvent,
  BudgetEvent,
];

describe('every transition of the budget chart', () => {
  const coverage = new Coverage(budgetMachine);
  let walks: Walk<typeof budgetMachine>[];

  beforeAll(() => {
    const paths = explore(budgetMachine, { input, events: () => EVENTS, key: ({ value }) => value });
    walks = paths.map((events) => walk(budgetMachine, input, events, coverage));
  });

  it('is walked', () => {
    expect(coverage.size).toBeGreaterThan(9);
    expect(coverage.unwalked).toEqual([]);
  });

  it('leaves a context of plain JSON that holds the figures of the last event heard', () => {
    for (const { steps } of walks) {
      for (const { event, before, after } of steps) {
        expect(isPlainJson(after.context)).toBe(true);
        if (before === undefined) continue;
        const { spent, reserved } = before.can(event as BudgetEvent)
          ? (event as BudgetEvent)
          : before.context;
        expect(after.context).toEqual({ ...input, spent, reserved });
      }
    }
  });

  it('does not fill up again but by renewal', () => {
    const order = ['within', 'warned', 'exhausted'];
    for (const { steps } of walks) {
      for (const { event, before, after } of steps) {
        if (!before || event.type === 'renew') continue;
        const [from, to] = [before.value.level, after.value.level].map((level) => order.indexOf(level));
        expect(to).toBeGreaterThanOrEqual(from!);
      }
    }
  });

  it('announces a warning exactly when it goes from within to warned', () => {
    for (const { steps } of walks) {
      for (const { before, after, asked } of steps) {
        const warned = before?.value.level === 'within' && after.value.level === 'warned';
        expect(asked.map(({ type }) => type)).toEqual(warned ? ['announceWarning'] : []);
      }
    }
  });
});

describe('the budget chart', () => {
  it('is reserving while a call holds something, settling once one of several settled, then idle', () => {
    const values = go(reserve, reserve, settleSome, settleSomeUsd, reserve, settleAll).steps.map(
      ({ after }) => after.value.reservations,
    );
    expect(values).toEqual(['idle', 'reserving', 'reserving', 'settling', 'settling', 'reserving', 'idle']);
  });

  it('is not idle while only dollars are held', () => {
    expect(go(reserve, settleSomeUsd).end.value.reservations).toBe('settling');
  });

  it('may be exhausted without a warning, and only a new period lifts that', () => {
    expect(go(exhaust).end.value.level).toBe('exhausted');
    expect(go(exhaust, warn, settleAll).end.value.level).toBe('exhausted');
    expect(go(exhaust, renew).end.value.level).toBe('within');
    expect(go(warn, renew).end.value.level).toBe('within');
  });

  it('warns once until it is renewed', () => {
    const warnings = go(warn, warn, renew, warn).steps.map(({ asked }) => asked.length);
    expect(warnings).toEqual([0, 1, 0, 0, 1]);
  });

  it('asks for the warning before anything else can happen to the level', () => {
    const { asked } = go(warn).steps[1]!;
    expect(asked).toEqual([{ type: 'announceWarning', params: {} }]);
  });
});
