import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { InspectRecord } from '../../src/inspect/records.js';

/** A folder of this test file. */
export function tempFolder(): (name: string) => string {
  const folder = mkdtempSync(path.join(tmpdir(), 'troupe-inspect-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => path.join(folder, name);
}

export function recordsOf(file: string): InspectRecord[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as InspectRecord);
}

export function ofKind<Kind extends InspectRecord['kind']>(
  records: readonly InspectRecord[],
  kind: Kind,
): Extract<InspectRecord, { kind: Kind }>[] {
  return records.filter((record): record is Extract<InspectRecord, { kind: Kind }> => record.kind === kind);
}
