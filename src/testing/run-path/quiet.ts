import type { Logger } from '../../core/ports.js';

/** Paths of failure are full of warnings. */
export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
