import type { PageMessage } from '../page-protocol.js';
import { groupOf, isRecord, type InspectRecord } from '../records.js';
import type { ChartJson } from '../charts/chart-json.js';
import { Archive, type ArchiveLimits } from './archive.js';

export type Subscriber = (message: PageMessage) => void;

interface App {
  readonly archive: Archive;
  readonly charts: Map<string, ChartJson>;
  /** Number of its last record. */
  last: number;
}

/** Lines in a message. */
const MOST_LINES = 2000;

/** Apps that are remembered. */
const MOST_APPS = 8;

/** What apps have sent, and the pages that want to see it. */
export class Hub {
  private readonly apps = new Map<string, App>();
  private readonly subscribers = new Set<Subscriber>();

  constructor(private readonly limits: ArchiveLimits = {}) {}

  /**
   * Takes an app's lines.
   *
   * @param from number of the record before the first.
   * @param isWhole they begin anew.
   * @returns false: lines between are missing, so all must be sent again.
   * @throws {SyntaxError} for lines that are no records.
   */
  take(name: string, from: number, isWhole: boolean, lines: readonly string[]): boolean {
    const records = lines.map(parseLine);
    const app = isWhole ? this.begin(name) : this.apps.get(name);
    if (!app || (!isWhole && app.last !== from)) return false;
    for (const [index, record] of records.entries()) {
      app.last = Math.max(app.last, record.n);
      app.archive.add(lines[index]!, record.n, groupOf(record));
      if (record.kind === 'chart') app.charts.set(record.chart, record.definition);
      if (record.kind === 'ended') app.archive.end(record.run);
    }
    this.tell({ type: 'lines', app: name, lines });
    return true;
  }

  get pages(): number {
    return this.subscribers.size;
  }

  chart(app: string, chart: string): ChartJson | undefined {
    return this.apps.get(app)?.charts.get(chart);
  }

  /** Tells a page all that is known, then what comes. Returns how to stop. */
  subscribe(subscriber: Subscriber): () => void {
    for (const [app, { archive }] of this.apps) {
      subscriber({ type: 'app', app });
      const lines = archive.all();
      for (let from = 0; from < lines.length; from += MOST_LINES) {
        subscriber({ type: 'lines', app, lines: lines.slice(from, from + MOST_LINES) });
      }
    }
    this.subscribers.add(subscriber);
    return () => this.subscribers.delete(subscriber);
  }

  private begin(name: string): App {
    this.apps.delete(name);
    for (const oldest of [...this.apps.keys()].slice(0, Math.max(0, this.apps.size + 1 - MOST_APPS))) {
      this.apps.delete(oldest);
    }
    const forgot = (run: string) => this.tell({ type: 'forget', app: name, run });
    const app = { archive: new Archive(this.limits, forgot), charts: new Map(), last: 0 };
    this.apps.set(name, app);
    this.tell({ type: 'app', app: name });
    return app;
  }

  private tell(message: PageMessage): void {
    for (const subscriber of this.subscribers) subscriber(message);
  }
}

function parseLine(line: string): InspectRecord {
  const record: unknown = JSON.parse(line);
  if (!isRecord(record)) throw new SyntaxError(`This is no record: ${line.slice(0, 80)}`);
  return record;
}
