import { seededRandom } from '../seeded-random.js';

/** Numbers that follow from what they are for, and from nothing else. */
export class Draws {
  private readonly random: () => number;

  /** @param parts whole numbers: the seed, then what the draws are for. */
  constructor(...parts: readonly number[]) {
    let mixed = 0x2545f491;
    for (const part of parts) {
      mixed = Math.imul(mixed ^ (part >>> 0), 0x9e3779b1);
      mixed ^= mixed >>> 15;
    }
    this.random = seededRandom(mixed);
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  /** A whole number, both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** Small ones are as likely as large ones, by magnitude. */
  magnitude(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.random());
  }

  pick<const T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!;
  }

  /** One of the keys, as likely as its weight says. */
  weighted<const Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries(weights) as [Key, number][];
    let left = this.random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries.at(-1)![0];
  }
}
