import { describe, expect, it } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { budgetMachine, type BudgetEvent } from '../../src/machines/index.js';

const limits = { tokens: 10 };
const none = { tokens: 0, costUsd: 0 };
const spent = { tokens: 5, costUsd: 0.5 };
const figures = (tokens: number, costUsd = 0) => ({ spent, reserved: { tokens, costUsd } });

const reserved = (tokens: number): BudgetEvent => ({ type: 'reserved', ...figures(tokens) });
const settled = (tokens: number, costUsd = 0): BudgetEvent => ({
  type: 'settled',
  ...figures(tokens, costUsd),
});
const warn: BudgetEvent = { type: 'warn', resource: 'tokens', limit: 10, amount: 8, ...figures(1) };
const exhaust: BudgetEvent = { type: 'exhaust', ...figures(2) };
const renew: BudgetEvent = { type: 'renew', ...figures(3) };

/** Where it stands after these events, with what it has noted as reserved, and what the last event asked for. */
function after(...sent: readonly BudgetEvent[]) {
  let [snapshot, actions] = initialTransition(budgetMachine, { limits });
  for (const event of sent) [snapshot, actions] = transition(budgetMachine, snapshot, event);
  const { level, reservations } = snapshot.value;
  const held = snapshot.context.reserved.tokens;
  return [level, reservations, held, actions.map(({ type }) => type).join()];
}

describe('a budget', () => {
  it('begins within its limits, idle, with nothing spent or reserved', () => {
    const [{ value, context }] = initialTransition(budgetMachine, { limits });
    expect(value).toEqual({ level: 'within', reservations: 'idle' });
    expect(context).toEqual({ limits, spent: none, reserved: none });
  });

  it('notes what is spent and reserved, as it is told', () => {
    const [first] = initialTransition(budgetMachine, { limits });
    expect(transition(budgetMachine, first, reserved(4))[0].context).toEqual({ limits, ...figures(4) });
  });

  it('is reserving from the first reservation, settling from the first settlement, until nothing is held', () => {
    expect(after(reserved(4))).toEqual(['within', 'reserving', 4, '']);
    expect(after(reserved(4), reserved(6))).toEqual(['within', 'reserving', 6, '']);
    expect(after(reserved(4), settled(3))).toEqual(['within', 'settling', 3, '']);
    expect(after(reserved(4), settled(0, 0.1))).toEqual(['within', 'settling', 0, '']);
    expect(after(reserved(4), settled(0))).toEqual(['within', 'idle', 0, '']);
    expect(after(reserved(4), settled(3), settled(2))).toEqual(['within', 'settling', 2, '']);
    expect(after(reserved(4), settled(3), reserved(5))).toEqual(['within', 'reserving', 5, '']);
    expect(after(reserved(4), settled(3), settled(0))).toEqual(['within', 'idle', 0, '']);
    expect(after(settled(3))).toEqual(['within', 'idle', 0, '']);
  });

  it('warns once', () => {
    expect(after(warn)).toEqual(['warned', 'idle', 1, 'announceWarning']);
    expect(after(warn, { ...warn, ...figures(7) })).toEqual(['warned', 'idle', 1, '']);
  });

  it('may be exhausted after a warning or without one', () => {
    expect(after(exhaust)).toEqual(['exhausted', 'idle', 2, '']);
    expect(after(warn, exhaust)).toEqual(['exhausted', 'idle', 2, '']);
    expect(after(exhaust, warn)).toEqual(['exhausted', 'idle', 2, '']);
  });

  it('is within its limits again when it is renewed', () => {
    for (const before of [[], [warn], [exhaust], [warn, exhaust]]) {
      expect(after(...before, renew)).toEqual(['within', 'idle', 3, '']);
    }
    expect(after(exhaust, renew, warn)).toEqual(['warned', 'idle', 1, 'announceWarning']);
  });
});
