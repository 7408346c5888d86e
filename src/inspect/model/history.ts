import type { InspectRecord } from '../records.js';
import { Model } from './model.js';

interface Kept {
  readonly app: string;
  readonly record: InspectRecord;
}

/** Records that are kept for going back in time. */
const MOST_KEPT = 120_000;

/** All records so far, and what was to be seen at one of them. */
export class History {
  model = new Model();
  /** Position shown: so many records are in the model. */
  position = 0;
  /** New records are shown as they come. */
  isLive = true;
  /** False: too much was seen to go back to the beginning. */
  isWhole = true;
  private records: Kept[] = [];

  /** @param isBounded more comes all the time, so not all can be kept. */
  constructor(private readonly isBounded = true) {}

  get length(): number {
    return this.records.length;
  }

  add(app: string, records: readonly InspectRecord[]): void {
    for (const record of records) this.records.push({ app, record });
    if (this.isLive) this.advance(this.records.length);
    if (this.isBounded && this.isLive && this.records.length > MOST_KEPT) {
      this.isWhole = false;
      this.records = [];
      this.position = 0;
    }
  }

  begin(app: string): void {
    const isOther = (kept: Kept) => kept.app !== app;
    this.position = this.records.slice(0, this.position).filter(isOther).length;
    this.records = this.records.filter(isOther);
    this.model.begin(app);
  }

  forget(app: string, run: string): void {
    this.model.forget(app, run);
  }

  /** Shows what was to be seen after so many records. */
  seek(position: number): void {
    const to = Math.max(0, Math.min(this.records.length, position));
    this.isLive = false;
    if (to < this.position) {
      const { version } = this.model;
      this.model = new Model();
      this.model.version = version;
      this.position = 0;
    }
    this.advance(to);
  }

  goLive(): void {
    this.isLive = true;
    this.advance(this.records.length);
  }

  /** The record shown last. */
  get current(): Kept | undefined {
    return this.records[this.position - 1];
  }

  private advance(to: number): void {
    for (; this.position < to; this.position++) {
      const { app, record } = this.records[this.position]!;
      try {
        this.model.apply(app, record);
      } catch {
        // A `redact` may have left out what makes it understood.
      }
    }
  }
}
