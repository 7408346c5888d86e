import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';

/** Something real and its oracle, side by side. */
export interface Lockstep<Op> {
  /** Does it to both. */
  do(op: Op): void | Promise<void>;
  /** Compares all that can be seen of both. */
  check(): void;
  /** Takes both to an end, and compares what is left behind. */
  end(): void | Promise<void>;
}

/**
 * What stories use one after the other, for speed: to make a Troupe takes longer than to tell a story. One that a
 * failed story did not give back is replaced.
 */
export class Shared<T> {
  private free: T | undefined;

  constructor(private readonly make: () => T) {}

  take(): T {
    const taken = this.free ?? this.make();
    this.free = undefined;
    return taken;
  }

  giveBack(it: T): void {
    this.free = it;
  }
}

/** Every sequence of `length` symbols. */
export function* sequences<Op>(alphabet: readonly Op[], length: number): Generator<Op[]> {
  if (length === 0) return yield [];
  for (const rest of sequences(alphabet, length - 1)) for (const op of alphabet) yield [...rest, op];
}

/** `expect` for the many times that it holds. */
export function same(seen: readonly unknown[], wanted: readonly unknown[]): void {
  if (!isDeepStrictEqual(seen, wanted)) expect(seen).toEqual(wanted);
}

/** A turn of the event loop: every promise that can go on has gone on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Goes through a sequence; where the two differ, the error tells the story so far. */
export async function walk<Op>(pair: Lockstep<Op>, ops: readonly Op[]): Promise<void> {
  let done = 0;
  try {
    for (const op of ops) {
      done += 1;
      await pair.do(op);
      pair.check();
    }
    await pair.end();
  } catch (error) {
    const story = ops.slice(0, done).map((op) => (typeof op === 'string' ? op : JSON.stringify(op)));
    throw new Error(`${(error as Error).message}\nafter ${story.join(', ')}`, { cause: error });
  }
}

/**
 * Goes through every sequence of `depth` operations that follows `prefix`, but those with a step that does nothing:
 * they are as good as shorter ones. Returns how many sequences it went through.
 *
 * @param isIdle whether some step of the sequence does nothing, by the oracle alone.
 */
export async function walkAll<Op>(
  alphabet: readonly Op[],
  depth: number,
  prefix: readonly Op[],
  isIdle: (ops: readonly Op[]) => boolean,
  pair: () => Lockstep<Op>,
): Promise<number> {
  let count = 0;
  for (const sequence of sequences(alphabet, depth)) {
    const ops = [...prefix, ...sequence];
    if (isIdle(ops)) continue;
    count += 1;
    await walk(pair(), ops);
  }
  return count;
}

/** Long random sequences, the same in every run; a failure is shrunk. */
export async function walkRandomly<Op>(
  step: fc.Arbitrary<Op>,
  pair: () => Lockstep<Op>,
  { runs, length }: { runs: number; length: number },
): Promise<void> {
  const steps = fc.array(step, { minLength: 5, maxLength: length, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, (ops) => walk(pair(), ops)),
    { seed: 1, numRuns: runs },
  );
}
