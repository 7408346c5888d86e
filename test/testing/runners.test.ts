import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { storeCases } from '../../src/testing/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs Node on the built package, as a user does. */
function node(...args: readonly string[]) {
  // Set by a test runner around us, it makes `node --test` believe that it is a child of that.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  return spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
}

describe('troupe/testing', () => {
  it('works inside node:test, where storeContract registers itself', () => {
    const { status, stdout } = node('--test', '--test-reporter=tap', 'test/testing/runners/node-test.mjs');
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(stdout).toMatch(new RegExp(`^# pass ${1 + 2 * storeCases.length}$`, 'm'));
    expect(status).toBe(0);
  });

  it('works in a plain script, which ends by itself', () => {
    const { status, stdout, stderr } = node('test/testing/runners/plain.mjs');
    expect([stdout, stderr]).toEqual([`${storeCases.length} cases passed\n`, '']);
    expect(status).toBe(0);
  });
});
