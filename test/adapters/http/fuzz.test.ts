import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

// The campaign of 200,000 is run by hand; its latest figures are in docs/http.md.
it('answers 3000 requests that nobody would send on purpose without a fault', () => {
  const script = path.join(import.meta.dirname, 'fuzz.mjs');
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, '3000', '42'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain('3000 requests');
}, 60_000);
