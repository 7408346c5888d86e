import { randomBytes } from 'node:crypto';
import type { Random } from '../core/ports.js';

/** Makes ids of 32 hex digits: a valid W3C trace id. With a `random` of the user's, they follow from it. */
export function idMaker(random: Random | undefined): () => string {
  if (random === undefined) return () => randomBytes(16).toString('hex');
  const word = () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  // A counter keeps ids apart, whatever the numbers are.
  let count = 0;
  return () => word() + word() + word() + (++count).toString(16).padStart(8, '0');
}
