import { InvalidOptionsError } from '../index.js';

/**
 * Checks the numbers among a store's options.
 *
 * @throws {InvalidOptionsError} naming what is wrong.
 */
export function checkNumbers(maker: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionsError(`The options of ${maker}() must be an object, got ${String(options)}.`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) {
      throw new InvalidOptionsError(`Unknown option \`${name}\`. ${maker}() takes ${known.join(', ')}.`);
    }
    if (name.endsWith('Ms') && value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw new InvalidOptionsError(
        `Option \`${name}\` of ${maker}() must be a positive number, got ${String(value)}.`,
      );
    }
  }
}
