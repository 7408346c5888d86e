/** Reads the deliberate defects of test/mutants: header lines, then a unified diff that `git apply` takes. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {import('./patches.d.mts').Mutant} Mutant
 */

const FILE = /^(?<id>\d\d)-(?<name>[a-z0-9-]+)\.patch$/;
const HEADERS = ['What', 'Harm', 'Seen by', 'Tests'];

/** A patch that cannot be used. */
export class PatchError extends Error {}

/**
 * @param {string} file its name, which gives number and name
 * @param {string} text
 * @returns {Mutant}
 */
export function parsePatch(file, text) {
  const match = FILE.exec(file);
  if (!match) throw new PatchError(`${file}: a patch is called NN-some-name.patch.`);
  const start = text.search(/^diff --git /m);
  if (start < 0) throw new PatchError(`${file}: there is no diff in it.`);
  const headers = parseHeaders(file, text.slice(0, start));
  for (const name of HEADERS.slice(0, 3)) {
    if (!headers.get(name)) throw new PatchError(`${file}: the header \`${name}:\` is missing.`);
  }
  return {
    id: match.groups.id,
    name: match.groups.name,
    file,
    what: headers.get('What'),
    harm: headers.get('Harm'),
    seenBy: headers.get('Seen by').split(/,\s*/),
    tests: headers.get('Tests')?.split(/\s+/) ?? [],
    touches: [...text.matchAll(/^diff --git a\/(\S+) /gm)].map(([, touched]) => touched),
  };
}

function parseHeaders(file, text) {
  const headers = new Map();
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, name, value] = /^([A-Z][a-z ]+): (.+)$/.exec(line) ?? [];
    if (!HEADERS.includes(name)) throw new PatchError(`${file}: "${line}" is none of ${HEADERS.join(', ')}.`);
    headers.set(name, value.trim());
  }
  return headers;
}

/**
 * All of a folder, by number.
 *
 * @param {string} folder
 * @returns {Mutant[]}
 */
export function readPatches(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.patch'));
  return files.sort().map((file) => parsePatch(file, readFileSync(path.join(folder, file), 'utf8')));
}
