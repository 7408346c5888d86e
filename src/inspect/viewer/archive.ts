interface Group {
  lines: { readonly n: number; readonly line: string }[];
  bytes: number;
  isEnded: boolean;
}

export interface ArchiveLimits {
  /** Default 50000. */
  readonly lines?: number;
  /** In characters. Default 67108864. */
  readonly bytes?: number;
}

/** A run keeps so many of its first lines, whatever else must go: how it began. */
const BEGINNING = 100;

/**
 * The records of a process, as many as fit: runs that ended longest ago are forgotten first, whole; then of those that go on, what lies
 * between their beginning and the last, and at the very last the oldest of them.
 */
export class Archive {
  private readonly groups = new Map<string, Group>();
  private lines = 0;
  private bytes = 0;
  private readonly maxLines: number;
  private readonly maxBytes: number;

  /** @param forgot told of a run that is not kept any more. */
  constructor(
    { lines = 50_000, bytes = 64 * 1024 * 1024 }: ArchiveLimits = {},
    private readonly forgot: (group: string) => void = () => {},
  ) {
    this.maxLines = lines;
    this.maxBytes = bytes;
  }

  add(line: string, n: number, group: string): void {
    let kept = this.groups.get(group);
    if (!kept) this.groups.set(group, (kept = { lines: [], bytes: 0, isEnded: false }));
    kept.lines.push({ n, line });
    kept.bytes += line.length;
    this.lines += 1;
    this.bytes += line.length;
    if (this.lines > this.maxLines || this.bytes > this.maxBytes) this.makeRoom();
  }

  /** Nothing more comes of a group. */
  end(group: string): void {
    const kept = this.groups.get(group);
    if (kept) kept.isEnded = true;
  }

  /** All lines kept, in order. */
  all(): string[] {
    return [...this.groups.values()]
      .flatMap(({ lines }) => lines)
      .sort((a, b) => a.n - b.n)
      .map(({ line }) => line);
  }

  private makeRoom(): void {
    const isFull = () => this.lines > this.maxLines * 0.9 || this.bytes > this.maxBytes * 0.9;
    for (const [name, group] of this.groups) {
      if (!isFull()) return;
      if (!group.isEnded) continue;
      this.drop(name, group);
    }
    const byBytes = [...this.groups].sort(([, a], [, b]) => b.bytes - a.bytes);
    for (const [name, group] of byBytes) {
      if (!isFull()) return;
      this.thin(group);
      // So many go on that each has but a line.
      if (group.lines.length === 0) this.drop(name, group);
    }
  }

  private drop(name: string, group: Group): void {
    this.groups.delete(name);
    this.lines -= group.lines.length;
    this.bytes -= group.bytes;
    this.forgot(name);
  }

  /** Drops the half of a group's lines that follows its beginning. */
  private thin(group: Group): void {
    const from = Math.min(BEGINNING, Math.floor(group.lines.length / 4));
    const dropped = group.lines.splice(from, Math.ceil((group.lines.length - from) / 2));
    const bytes = dropped.reduce((sum, { line }) => sum + line.length, 0);
    group.bytes -= bytes;
    this.bytes -= bytes;
    this.lines -= dropped.length;
  }
}
