import { describe, expect, it } from 'vitest';
import { Archive } from '../../src/inspect/viewer/archive.js';

/** Lines of so many runs, each of so many lines; the last of a run ends it. */
function filled(archive: Archive, runs: number, each: number, ends = true): void {
  let n = 0;
  for (let run = 0; run < runs; run++) {
    for (let i = 0; i < each; i++) archive.add(`${run}:${i}`, ++n, `run ${run}`);
    if (ends) archive.end(`run ${run}`);
  }
}

describe('an archive', () => {
  it('gives all lines in order, whichever group they are of', () => {
    const archive = new Archive();
    archive.add('a', 1, 'x');
    archive.add('b', 2, 'y');
    archive.add('c', 3, 'x');
    expect(archive.all()).toEqual(['a', 'b', 'c']);
  });

  it('forgets the runs that ended longest ago, whole, and says which', () => {
    const forgotten: string[] = [];
    const archive = new Archive({ lines: 100 }, (run) => forgotten.push(run));
    filled(archive, 20, 10);
    const kept = archive.all();
    expect(kept.length).toBeLessThanOrEqual(100);
    expect(kept.length).toBeGreaterThanOrEqual(80);
    expect(forgotten).toEqual(Array.from({ length: forgotten.length }, (_, index) => `run ${index}`));
    for (const run of forgotten) expect(kept.some((line) => line.startsWith(`${run.slice(4)}:`))).toBe(false);
    expect(kept.at(-1)).toBe('19:9');
  });

  it('keeps the beginning and the end of what goes on', () => {
    const archive = new Archive({ lines: 1000 });
    filled(archive, 1, 20_000, false);
    const kept = archive.all();
    expect(kept.length).toBeLessThanOrEqual(1000);
    expect(kept.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => `0:${i}`));
    expect(kept.at(-1)).toBe('0:19999');
  });

  it('is bounded where nothing ever ends', () => {
    const forgotten: string[] = [];
    const archive = new Archive({ lines: 500 }, (run) => forgotten.push(run));
    for (let n = 1; n <= 20_000; n++) archive.add(`${n}`, n, `budget ${Math.ceil(n / 3)}`);
    expect(archive.all().length).toBeLessThanOrEqual(500);
    expect(forgotten.length).toBeGreaterThan(6000);
    expect(archive.all().at(-1)).toBe('20000');
  });

  it('is bounded by size as well', () => {
    const archive = new Archive({ bytes: 10_000 });
    for (let n = 1; n <= 200; n++) {
      archive.add('x'.repeat(1000), n, `run ${n}`);
      archive.end(`run ${n}`);
    }
    expect(archive.all().join('').length).toBeLessThanOrEqual(10_000);
  });
});
