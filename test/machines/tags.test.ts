import { describe, expect, it } from 'vitest';
import { createActor, toPromise, type AnyStateMachine, type AnyStateNode } from 'xstate';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../src/machines/index.js';

/** The states that carry a tag, by tag. Whoever waits for a chart waits on these. */
function statesByTag(machine: AnyStateMachine): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  const visit = (node: AnyStateNode): void => {
    for (const tag of node.tags) (found[tag] ??= []).push(node.path.join('.'));
    Object.values(node.states).forEach(visit);
  };
  visit(machine.root);
  return found;
}

function finalStates(machine: AnyStateMachine): string[] {
  return Object.values(machine.root.states)
    .filter(({ type }) => type === 'final')
    .map(({ key }) => key);
}

const ATTEMPT = {
  waiting: ['attempting.awaiting', 'attempting.backingOff'],
  'in flight': ['attempting.calling', 'attempting.overrunning'],
  degraded: [
    'attempting.awaiting.slot',
    'attempting.awaiting.budget',
    'attempting.awaiting.breaker',
    'attempting.awaiting.cooldown',
    'attempting.overrunning',
    'attempting.judging',
    'attempting.backingOff',
    'attempting.refused',
    'attempting.exhausted',
  ],
};
const RUN_ENDS = ['completed', 'partial', 'failed', 'timed_out', 'budget_exceeded', 'cancelled', 'rejected'];
const REPLICATE_ENDS = ['valid', 'invalid', 'failed', 'cancelled'];
const BUNDLE_ENDS = ['completed', 'partial', 'failed', 'cut'];

describe('the tags of the charts', () => {
  it('of a run say whether it waits, has work in flight, has ended, and what is wrong', () => {
    expect(statesByTag(runMachine)).toEqual({
      waiting: ['admitting.held', ...ATTEMPT.waiting],
      'in flight': [...ATTEMPT['in flight'], 'bundling', 'stepping', 'branching', 'settling'],
      ended: RUN_ENDS,
      degraded: ['admitting.held', ...ATTEMPT.degraded, 'fallingOver', 'landing', 'partial'],
      failing: ['failed', 'timed_out', 'budget_exceeded', 'rejected'],
      cancelled: ['cancelled'],
    });
  });

  it('of a replicate say the same', () => {
    expect(statesByTag(replicateMachine)).toEqual({
      waiting: ['queued', ...ATTEMPT.waiting],
      'in flight': [...ATTEMPT['in flight'], 'settling'],
      ended: REPLICATE_ENDS,
      degraded: [...ATTEMPT.degraded, 'unanswered'],
      failing: ['invalid', 'failed'],
      cancelled: ['cancelled'],
    });
  });

  it('of a bundle say whether replicates are at work', () => {
    expect(statesByTag(bundleMachine)).toEqual({
      'in flight': ['collecting', 'draining'],
      ended: BUNDLE_ENDS,
      degraded: ['partial'],
      failing: ['failed'],
      cancelled: ['interrupted', 'cut'],
    });
  });

  it('of a breaker say whether it lets calls through', () => {
    expect(statesByTag(breakerMachine)).toEqual({
      admits: ['closed', 'half-open'],
      refuses: ['open', 'isolated'],
      failing: ['open'],
      degraded: ['half-open', 'isolated'],
    });
  });

  it('of a budget say how much of it is gone', () => {
    expect(statesByTag(budgetMachine)).toEqual({ degraded: ['level.warned'], failing: ['level.exhausted'] });
  });
});

describe('the ends of the charts', () => {
  it('are final, and are all that is', () => {
    expect(finalStates(runMachine)).toEqual(RUN_ENDS);
    expect(finalStates(replicateMachine)).toEqual(REPLICATE_ENDS);
    expect(finalStates(bundleMachine)).toEqual(BUNDLE_ENDS);
    expect([breakerMachine, budgetMachine].flatMap(finalStates)).toEqual([]);
  });
});

describe('what the charts put out', () => {
  const outputOf = (machine: AnyStateMachine) =>
    Object.values(machine.root.states).flatMap(({ key, type, output }) =>
      type === 'final' ? [[key, output]] : [],
    );

  it('is the state they ended in', () => {
    for (const machine of [runMachine, replicateMachine, bundleMachine]) {
      expect(outputOf(machine)).toEqual(finalStates(machine).map((key) => [key, { status: key }]));
    }
  });

  it('reaches a machine that has one as a child', async () => {
    const run = createActor(runMachine, {
      input: {
        runId: 'r',
        candidates: null,
        isAdmitted: true,
        maxAttempts: 1,
        attemptTimeoutMs: null,
        abortGraceMs: 1,
        deadlineAt: null,
      },
    });
    run.start();
    run.send({ type: 'deadline.passed' });
    expect(await toPromise(run)).toEqual({ status: 'timed_out' });
  });
});

describe('the names of the charts', () => {
  it('are what viewers and saved snapshots know them by', () => {
    const charts = [runMachine, bundleMachine, replicateMachine, breakerMachine, budgetMachine];
    expect(charts.map(({ id }) => id)).toEqual(['run', 'bundle', 'replicate', 'breaker', 'budget']);
  });
});
