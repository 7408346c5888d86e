import { pbkdf2 } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { RotatingFile } from '../../src/inspect/rotating-file.js';
import { tempFolder } from './tempfolder.js';

const fresh = tempFolder();
const MIB = 1024 * 1024;

/** Keeps all threads that write files busy. */
const busy = () =>
  Promise.all(Array.from({ length: 8 }, () => promisify(pbkdf2)('a', 'b', 300_000, 64, 'sha512')));

for (const [what, maxBytes] of [
  ['closed', 64 * MIB],
  ['full', 400_000],
] as const) {
  it(`that is ${what} while it is written to leaves other files alone`, async () => {
    const threads = busy();
    const file = new RotatingFile(fresh(`first-${what}`), maxBytes, 3, () => []);
    // Written at once, by a thread that has no time yet.
    file.add('x'.repeat(300_000));
    file.flushSync();
    if (what === 'full') file.add('y'.repeat(300_000));
    file.flushSync();
    if (what === 'closed') file.close();
    // What is opened next gets the number of a file that was closed.
    const others = Array.from({ length: 4 }, (_, index) => fresh(`other-${what}-${index}`));
    const opened = others.map((other) => openSync(other, 'w'));
    for (const fd of opened) writeSync(fd, 'mine');
    await threads;
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const fd of opened) closeSync(fd);
    expect(others.map((other) => readFileSync(other, 'utf8'))).toEqual(['mine', 'mine', 'mine', 'mine']);
    file.close();
    if (what === 'full') expect(readFileSync(fresh('first-full'), 'utf8')).toMatch(/^\s*y{300000}\s*$/u);
    expect(readFileSync(fresh(`first-${what}${what === 'full' ? '.1' : ''}`), 'utf8')).toMatch(
      /^x{300000}\n/u,
    );
  });
}
