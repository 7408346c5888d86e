import * as z from 'zod';
import { InvalidOptionsError } from '../core/errors.js';
import { parseOptions } from '../core/parse.js';
import type { TroupeInspector } from '../runtime/watch.js';
import type { Redact } from './redaction.js';
import { RotatingFile } from './rotating-file.js';
import { Scribe } from './scribe/scribe.js';

export interface RecorderOptions {
  /** Sees every payload before it is written, and gives what is written instead. Default: all is written. */
  redact?: Redact;
  /** Largest size of one file, in bytes. Default 67108864 (64 MiB). */
  maxFileBytes?: number;
  /**
   * Files kept, the one being written included; a full one becomes `run.1.ndjson`, the one before `run.2.ndjson`, and so on.
   * Default 3.
   */
  maxFiles?: number;
  /**
   * Records every run. Default false: where a recording would take more than about half of the process's time, as with thousands of
   * runs a second, some runs are left out as a whole, and the recording says how many.
   */
  complete?: boolean;
}

/** Writes what a Troupe does into a file. One for as many Troupes as you like. */
export interface Recorder extends TroupeInspector {
  /** Writes all that is known by now. */
  flush(): void;
  /** Writes what is left and lets go of the file. What comes later is not recorded. */
  close(): void;
}

const MIB = 1024 * 1024;

const optionsSchema = z.strictObject({
  redact: z.custom<Redact>((value) => typeof value === 'function', 'must be a function').optional(),
  maxFileBytes: z.int().min(4096).optional(),
  maxFiles: z.int().min(1).max(1000).optional(),
  complete: z.boolean().optional(),
});

/**
 * A recording of everything the charts of a Troupe do, one JSON text a line: `new Troupe({ inspect: recorder('run.ndjson') })`.
 * `npx troupe replay run.ndjson` shows it, and `--check` walks the charts through it again.
 *
 * What happens is written within 50 ms, and at the end of the process; a process that is killed loses at most that. The
 * size on disk is bounded by `maxFileBytes` and `maxFiles`. A disk that fails ends the recording, not the runs.
 *
 * @param file an existing one is replaced.
 * @throws {InvalidOptionsError} for options that cannot be used, and for a file that cannot be written.
 */
export function recorder(file: string, options: RecorderOptions = {}): Recorder {
  if (typeof file !== 'string' || file === '') {
    throw new InvalidOptionsError(`recorder() takes the path of a file, got ${String(file)}.`);
  }
  const {
    redact,
    maxFileBytes = 64 * MIB,
    maxFiles = 3,
    complete = false,
  } = parseOptions(optionsSchema, options, 'options') as RecorderOptions;
  const files = openFile(file, maxFileBytes, maxFiles, () => scribe.standing());
  const scribe = new Scribe({ redact, isComplete: complete, write: (line) => files.add(line) });
  const flush = () => {
    scribe.flush(true);
    files.flushSync();
  };
  process.on('exit', flush);
  return {
    next: (event, subject) => scribe.next(event, subject),
    tell: (news, troupe) => scribe.tell(news, troupe),
    ignores: (runId) => scribe.ignores(runId),
    flush,
    close: () => {
      flush();
      process.off('exit', flush);
      files.close();
    },
  };
}

function openFile(...args: ConstructorParameters<typeof RotatingFile>): RotatingFile {
  try {
    return new RotatingFile(...args);
  } catch (error) {
    throw new InvalidOptionsError(`recorder() cannot write to "${args[0]}": ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
