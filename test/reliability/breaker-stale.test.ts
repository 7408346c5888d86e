import { describe, expect, it } from 'vitest';
import { breakerScene } from './scene.js';

describe('a success of an earlier epoch', () => {
  it('does not end a row of failures', async () => {
    const s = breakerScene({ window: { kind: 'consecutive' }, failures: 3 });
    const late = await s.begin();
    s.control.reset();
    await s.feed('FF');
    expect((await s.finish(late, 'S')).status).toBe('completed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('is not in the denominator of a ratio', async () => {
    const s = breakerScene({ window: { kind: 'count', size: 10 }, failures: { ratio: 1, minimumCalls: 2 } });
    const late = await s.begin();
    s.control.reset();
    await s.finish(late, 'S');
    expect(s.counted().calls).toBe(0);
    await s.feed('FF');
    expect(s.control.state).toBe('open');
  });
});
