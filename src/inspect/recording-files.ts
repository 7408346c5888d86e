import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { InvalidOptionsError } from '../core/errors.js';
import { FORMAT, isRecord, type InspectRecord } from './records.js';

/** The name a recording's file has after so many newer ones: `run.ndjson`, `run.1.ndjson`, `run.2.ndjson`, ... */
export function olderFile(file: string, age: number): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}.${age}${ext}`);
}

/** Those that exist, the newest first. */
export function olderFiles(file: string): string[] {
  const files: string[] = [];
  for (let age = 1; existsSync(olderFile(file, age)); age++) files.push(olderFile(file, age));
  return files;
}

/** A record, and the line it was read from. */
export interface RecordedLine {
  readonly line: string;
  readonly record: InspectRecord;
}

/**
 * What is in a recording, its older files first. A last line that was not finished is left out.
 *
 * @throws {InvalidOptionsError} for what is no recording.
 */
export function readRecording(file: string): RecordedLine[] {
  return [...olderFiles(file).reverse(), file].flatMap((each) => linesOf(each));
}

function linesOf(file: string): RecordedLine[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidOptionsError(`The recording "${file}" cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  const lines = text.split('\n');
  // A process that was killed leaves the line it was writing.
  const unfinished = lines.pop()!;
  if (lines.length === 0 && unfinished === '') throw noRecording(file, 'it is empty');
  return lines.map((line, index) => ({ line, record: recordOf(file, line, index) }));
}

function recordOf(file: string, line: string, index: number): InspectRecord {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw noRecording(file, `line ${index + 1} is no JSON`);
  }
  if (!isRecord(record)) throw noRecording(file, `line ${index + 1} is no record`);
  if (record.kind === 'head' && record.format !== FORMAT) {
    throw noRecording(file, `it has the format ${String(record.format)}, and this Troupe reads ${FORMAT}`);
  }
  return record;
}

function noRecording(file: string, why: string): InvalidOptionsError {
  return new InvalidOptionsError(`"${file}" is no recording that can be read: ${why}.`);
}
