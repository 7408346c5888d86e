import { createHash } from 'node:crypto';

const MAX_LENGTH = 128;

/** A name Troupe takes: what is not allowed becomes `_`, and a long one ends in a hash of the whole. */
export function legalName(name: string): string {
  const legal = name.replaceAll(/[^A-Za-z0-9_./:-]/g, '_');
  if (legal.length > 0 && legal.length <= MAX_LENGTH) return legal;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${legal.slice(0, MAX_LENGTH - 9)}_${hash}`;
}
