import { existsSync } from 'node:fs';
import path from 'node:path';

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
