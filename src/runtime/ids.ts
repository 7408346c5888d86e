import { randomFillSync } from 'node:crypto';
import type { Random } from '../core/ports.js';

/** Makes ids of 32 hex digits: a valid W3C trace id. With a `random` of the user's, they follow from it. */
export function idMaker(random: Random | undefined): () => string {
  return random === undefined ? drawnIds() : countedIds(random);
}

const ID_BYTES = 16;
/** Drawn for so many ids at once: asking the system for 16 bytes costs as much as for 4,096. */
const DRAWN_AT_ONCE = 256;

function drawnIds(): () => string {
  const drawn = Buffer.alloc(ID_BYTES * DRAWN_AT_ONCE);
  let used = drawn.length;
  return () => {
    if (used === drawn.length) {
      randomFillSync(drawn);
      used = 0;
    }
    used += ID_BYTES;
    return drawn.toString('hex', used - ID_BYTES, used);
  };
}

function countedIds(random: Random): () => string {
  const word = () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  // A counter keeps ids apart, whatever the numbers are.
  let count = 0;
  return () => word() + word() + word() + (++count).toString(16).padStart(8, '0');
}
