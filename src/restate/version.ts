import { JOURNAL_VERSION, WIRE_VERSION } from './wire.js';

/**
 * Versions that do not go together. Restate tries again, on whichever instance there is by then, and gives up in the end:
 * the caller is told, and nothing is stuck.
 */
export class VersionMismatch extends Error {
  override name = 'TroupeVersionMismatch';
  // Restate shows it to callers: where in the code it was thrown is nothing to them.
  override stack = '';
}

/**
 * A journal goes on under the charts it was begun with, or not at all.
 *
 * @throws {VersionMismatch}
 */
export function checkVersion(version: number): void {
  if (version === JOURNAL_VERSION) return;
  throw new VersionMismatch(
    `It was begun under version ${version} of Troupe's charts, and this instance has version ${JOURNAL_VERSION}. ` +
      'Keep the older deployment until its runs have ended; or cancel the run, and start it again.',
  );
}

/**
 * A message of a version that this instance can read.
 *
 * @throws {VersionMismatch}
 */
export function checkWire(version: number): void {
  if (version === WIRE_VERSION) return;
  throw new VersionMismatch(
    `It was asked for in version ${version} of Troupe's messages, and this instance reads version ${WIRE_VERSION}. ` +
      'Deploy the same version of the package to instances and callers.',
  );
}
