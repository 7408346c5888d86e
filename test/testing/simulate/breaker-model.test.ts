import { describe, expect, it } from 'vitest';
import { BreakerModel } from '../../../src/testing/simulate/breaker-model.js';
import { BREAKERS } from '../../../src/testing/simulate/setting.js';

/** Calls one after the other, each settled at once. */
function feed(model: BreakerModel, verdicts: string, now: number): void {
  [...verdicts].forEach((verdict, index) => {
    model.begin(now + index, now);
    model.settle(
      now + index,
      verdict === 'F' ? 'failure' : verdict === 'S' ? 'success' : 'neutral',
      false,
      now,
    );
  });
}

describe('the model of a breaker', () => {
  it('opens at the threshold, refuses, admits so many probes, and closes at their successes', () => {
    const model = new BreakerModel(BREAKERS.alpha);
    feed(model, 'FSNFF', 1000);
    expect(model.state).toBe('closed');
    feed(model, 'F', 1001);
    expect(model.state).toBe('open');
    expect(model.begin(50, 5000)).toBe(false);
    expect([model.begin(51, 5001), model.begin(52, 5001), model.begin(53, 5001)]).toEqual([
      true,
      true,
      false,
    ]);
    model.settle(51, 'success', false, 5002);
    model.settle(52, 'success', false, 5002);
    expect(model.state).toBe('closed');
  });

  it('opens again when a probe fails or its lease ends, and ignores what began before', () => {
    const model = new BreakerModel(BREAKERS.alpha);
    model.begin(1, 900);
    feed(model, 'FFFF', 1000);
    model.begin(90, 5000);
    expect(model.state).toBe('half-open');
    model.settle(1, 'failure', false, 5001);
    expect(model.state).toBe('half-open');
    model.passTime(7999);
    expect(model.state).toBe('half-open');
    model.passTime(8000);
    expect(model.state).toBe('open');
  });
});
