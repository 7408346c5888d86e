import { describe, expect, it } from 'vitest';
import { PlanningError, ToolNotFoundError } from '../../src/core/errors.js';
import type { JsonValue } from '../../src/core/json.js';
import type { PlanDecision, StepInput } from '../../src/core/planning/planner.js';
import { stepRequest, toPlan } from '../../src/core/planning/plan.js';

const known = (tool: string) => ['a', 'b', 'c'].includes(tool);
const plan = (decision: PlanDecision, request: JsonValue = {}) =>
  toPlan(decision, { $request: request, $budget: { costUsd: 0.1 } }, known);
const steps = [{ tool: 'a' }, { tool: 'b', name: 'second', fallbacks: ['c'], toolOptions: { x: 1 } }];

describe('toPlan', () => {
  it('of a single tool tries it first and its fallbacks once each', () => {
    expect(
      plan({ tool: 'a', fallbacks: ['b', 'a', 'c', 'b'], toolOptions: { x: 1 }, reasoning: 'why' }),
    ).toEqual({
      strategy: 'single',
      tools: [{ tool: 'a', toolOptions: { x: 1 } }, { tool: 'b' }, { tool: 'c' }],
      reasoning: 'why',
    });
  });

  it('of a chain names its steps', () => {
    expect(plan({ strategy: 'chain', steps })).toEqual({
      strategy: 'chain',
      steps: [
        { name: 'step1', tools: [{ tool: 'a' }] },
        { name: 'second', tools: [{ tool: 'b', toolOptions: { x: 1 } }, { tool: 'c' }] },
      ],
    });
  });

  it.each([
    [undefined, undefined, 3],
    ['all', undefined, 3],
    ['first', undefined, 1],
    ['settled', undefined, 1],
    ['quorum', undefined, 2],
    ['quorum', 1, 1],
    ['quorum', 3, 3],
  ] as const)('of branches with the policy %s and quorum %s needs %i answers', (policy, quorum, wanted) => {
    const three = [{ tool: 'a' }, { tool: 'b' }, { tool: 'c' }];
    const decision = { strategy: 'parallel', steps: three, policy, quorum } as PlanDecision;
    expect(plan(decision)).toMatchObject({ strategy: 'parallel', policy: policy ?? 'all', quorum: wanted });
  });

  it('of conditions takes the first step that holds, else the default, else says that none does', () => {
    const conditional: PlanDecision = {
      strategy: 'conditional',
      steps: [
        { tool: 'a', when: [{ path: 'n', gt: 5 }] },
        { tool: 'b', when: [{ path: 'n', gt: 3 }] },
      ],
    };
    const toolsFor = (n: number, more: PlanDecision = {}) => plan({ ...conditional, ...more }, { n });
    expect(toolsFor(9)).toMatchObject({ strategy: 'single', tools: [{ tool: 'a' }] });
    expect(toolsFor(4)).toMatchObject({ tools: [{ tool: 'b' }] });
    expect(toolsFor(1, { tool: 'c' })).toMatchObject({ tools: [{ tool: 'c' }] });
    expect(() => toolsFor(1)).toThrow(ToolNotFoundError);
    const low = { tool: 'c', when: [{ path: '$budget.costUsd', lt: 0.2 }] };
    expect(plan({ strategy: 'conditional', steps: [low] })).toMatchObject({ tools: [{ tool: 'c' }] });
    expect(plan({ strategy: 'conditional', steps: [{ tool: 'c' }] })).toMatchObject({
      tools: [{ tool: 'c' }],
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['null', null, /decision with `tool` or `steps`/],
    ['a text', 'a', /got a/],
    ['no tool', {}, /must name a tool, got undefined/],
    ['a strategy nobody knows', { tool: 'a', strategy: 'magic' }, /"magic"/],
    ['a chain without steps', { strategy: 'chain', steps: [] }, /needs `steps`/],
    ['a policy nobody knows', { strategy: 'parallel', steps, policy: 'most' }, /"most" is unknown/],
    ['a quorum of none', { strategy: 'parallel', steps, policy: 'quorum', quorum: 0 }, /from 1 to 2, got 0/],
    ['a quorum of too many', { strategy: 'parallel', steps, policy: 'quorum', quorum: 3 }, /got 3/],
    ['half a quorum', { strategy: 'parallel', steps, policy: 'quorum', quorum: 1.5 }, /got 1.5/],
    ['two steps of one name', { strategy: 'chain', steps: [steps[1], steps[1]] }, /same name/],
    ['options that are no object', { tool: 'a', toolOptions: [1] }, /must be an object/],
    ['options that are no JSON', { tool: 'a', toolOptions: { f: () => 1 } }, /must be JSON/],
  ])('refuses %s with a PlanningError that says so', (_, decision, message) => {
    expect(() => plan(decision as PlanDecision)).toThrow(PlanningError);
    expect(() => plan(decision as PlanDecision)).toThrow(message);
  });

  it('refuses a tool that is not registered, wherever the plan names it', () => {
    const unknown = [
      { tool: 'x' },
      { tool: 'a', fallbacks: ['x'] },
      { strategy: 'chain', steps: [{ tool: 'a' }, { tool: 'x' }] },
    ] as PlanDecision[];
    for (const decision of unknown) {
      expect(() => plan(decision)).toThrow(ToolNotFoundError);
      expect(() => plan(decision)).toThrow('"x"');
    }
  });
});

describe('the request of a step', () => {
  const scope = { request: { id: 7 }, previous: { title: 'T' }, steps: { search: [1, 2] } };
  const requestOf = (input?: StepInput) =>
    stepRequest({ name: 's', tools: [], ...(input === undefined ? {} : { input }) }, scope, 'fallback');

  it('is the one given by default, or what a function makes of the scope', () => {
    expect(requestOf()).toBe('fallback');
    expect(requestOf(({ previous }) => [previous])).toEqual([{ title: 'T' }]);
  });

  it('is a template in which references stand for values, also whole ones', () => {
    expect(
      requestOf({
        a: '$request.id',
        b: ['$previous.title', '$steps.search.1'],
        c: '$previous',
        d: 5,
        e: null,
      }),
    ).toEqual({ a: 7, b: ['T', 2], c: { title: 'T' }, d: 5, e: null });
  });

  it('gives null for what is not there and leaves other texts alone', () => {
    expect(requestOf({ a: '$previous.x', b: '$price', c: 'a $request', d: '$requested' })).toEqual({
      a: null,
      b: '$price',
      c: 'a $request',
      d: '$requested',
    });
  });
});
