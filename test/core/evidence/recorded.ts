import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { JsonValue } from '../../../src/core/json.js';

const DATA = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));

export type Item = { id: JsonValue; gold: JsonValue; answers: JsonValue[] };

/** A set of recorded answers; null, with a message, where it is not there. */
export function load(set: string): Item[] | null {
  const file = `${DATA}${set}.json`;
  if (!existsSync(file)) {
    console.warn(
      `Skipped: no recorded answers at ${file}; put the shared data beside the project to run this.`,
    );
    return null;
  }
  return (JSON.parse(readFileSync(file, 'utf8')) as { items: Item[] }).items;
}
