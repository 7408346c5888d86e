/**
 * The key under which Restate gets a run of a caller's key: keys are any text, headers are not.
 *
 * @param generation how many runs of the key came before that gave no answer to keep.
 */
export function keyOf(key: string, generation: number): string {
  const name = isWellFormed(key)
    ? encodeURIComponent(key)
    : `%u${Buffer.from(key, 'utf16le').toString('hex')}`;
  return generation === 0 ? name : `${name}#${generation}`;
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
