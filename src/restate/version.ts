import { JOURNAL_VERSION } from './wire.js';

/** A journal that was begun by other charts than these. Restate tries again, and gives up in the end. */
export class VersionMismatch extends Error {
  override name = 'TroupeVersionMismatch';
}

/**
 * @throws {VersionMismatch} when one of these versions is not this package's.
 */
export function checkVersion(...versions: readonly number[]): void {
  for (const version of versions) {
    if (version === JOURNAL_VERSION) continue;
    throw new VersionMismatch(
      `It was begun under version ${version} of Troupe's charts, and this instance has version ${JOURNAL_VERSION}. ` +
        'Keep the older deployment until its runs have ended; or cancel it, and run it again.',
    );
  }
}
