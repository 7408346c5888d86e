import { describe, expect, it } from 'vitest';
import { Independence } from '../../../src/core/evidence/independence.js';

type Origin = Parameters<Independence['admit']>[0];

function admitted(...origins: readonly Omit<Origin, 'id'>[]) {
  const independence = new Independence();
  const votes = origins.map((origin, index) => independence.admit({ id: `r${index + 1}`, ...origin }));
  return { votes, warnings: independence.warnings() };
}

describe('draws with seeds of their own, or none', () => {
  it('all vote, and nothing is said', () => {
    expect(admitted({ seed: 1 }, { seed: 2 }, {}, {}, { seed: null }, { seed: null })).toEqual({
      votes: [true, true, true, true, true, true],
      warnings: [],
    });
  });
});

describe('draws that share a seed', () => {
  it('have one vote between them', () => {
    expect(admitted({ seed: 7 }, { seed: 8 }, { seed: 7 })).toEqual({
      votes: [true, true, false],
      warnings: [
        {
          code: 'shared_seed',
          message: '2 replicates share seed 7; a seed has one vote: give every replicate its own.',
          replicateIds: ['r1', 'r3'],
        },
      ],
    });
  });

  it('are told together', () => {
    const { votes, warnings } = admitted({ seed: 0 }, { seed: 8 }, { seed: 0 }, { seed: 8 }, { seed: 8 });
    expect(votes).toEqual([true, true, false, false, false]);
    expect(warnings).toEqual([
      {
        code: 'shared_seed',
        message: '5 replicates share 2 seeds; a seed has one vote: give every replicate its own.',
        replicateIds: ['r1', 'r3', 'r2', 'r4', 'r5'],
      },
    ]);
  });
});

describe('draws at temperature 0', () => {
  it('have one vote between them, whatever their seeds', () => {
    expect(
      admitted({ temperature: 0, seed: 1 }, { temperature: 0, seed: 2 }, { temperature: 0.1, seed: 3 }),
    ).toEqual({
      votes: [true, false, true],
      warnings: [
        {
          code: 'temperature_zero',
          message: 'Replicates that ran at temperature 0 (2) have one vote between them: raise it.',
          replicateIds: ['r1', 'r2'],
        },
      ],
    });
  });
});

describe('draws out of a cache', () => {
  it('are told, and vote where nothing else is against it', () => {
    expect(admitted({ cached: true }, { cached: false }, { cached: true })).toEqual({
      votes: [true, true, true],
      warnings: [
        {
          code: 'cache_hit',
          message: 'Replicates out of a cache (2) add no vote to an answer that has one: bypass it.',
          replicateIds: ['r1', 'r3'],
        },
      ],
    });
  });
});

describe('a warning', () => {
  it('names 256 replicates at the most', () => {
    const { warnings } = admitted(
      ...Array.from({ length: 300 }, () => ({ seed: 1, temperature: 0, cached: true })),
    );
    expect(warnings.map(({ code }) => code)).toEqual(['shared_seed', 'temperature_zero', 'cache_hit']);
    for (const { replicateIds } of warnings) {
      expect([replicateIds?.length, replicateIds?.at(-1)]).toEqual([256, 'r256']);
    }
  });
});
