import { performance } from 'node:perf_hooks';
import type { SimulationFailure, SimulationReport } from '../testing/index.js';

/** Adds reports up. */
export class Tally {
  readonly failures: (SimulationFailure & { readonly seed: number })[] = [];
  private seeds = 0;
  private operations = 0;
  private calls = 0;
  private readonly coverage = new Map<string, number>();
  private readonly startedAt = performance.now();

  /** @param wanted seeds there will be. */
  constructor(private readonly wanted: number) {}

  add({ seed, operations, calls, coverage, failure }: SimulationReport): void {
    this.seeds += 1;
    this.operations += operations;
    this.calls += calls;
    for (const [what, count] of Object.entries(coverage)) {
      this.coverage.set(what, (this.coverage.get(what) ?? 0) + count);
    }
    if (failure) this.failures.push({ seed, ...failure });
  }

  progress(): string {
    const left = (this.elapsedMs / this.seeds) * (this.wanted - this.seeds);
    return `${this.seeds} of ${this.wanted} seeds, ${this.failures.length} failures, about ${Math.ceil(left / 1000)} s to go`;
  }

  summary(): string {
    const { seeds, operations, calls, failures } = this;
    const each = (this.elapsedMs / seeds).toFixed(1);
    const counts = this.sorted().map(([what, count]) => `  ${String(count).padStart(9)}  ${what}`);
    const lines = [
      `${seeds} seeds, ${operations} operations, ${calls} calls of tools in ${(this.elapsedMs / 1000).toFixed(1)} s (${each} ms a seed)`,
      ...counts,
      failures.length === 0
        ? 'Every rule held.'
        : `${failures.length} failures: seeds ${failures.map(({ seed }) => seed).join(', ')}.`,
    ];
    return `${lines.join('\n')}\n`;
  }

  toJSON() {
    const { seeds, operations, calls, failures, elapsedMs } = this;
    return { seeds, operations, calls, elapsedMs, coverage: Object.fromEntries(this.sorted()), failures };
  }

  /** A failure as its reader needs it: the rule, the story, the command. */
  static failureOf({ seed, failure }: SimulationReport): string {
    const { rule, message, story, command } = failure!;
    return `seed ${seed} breaks the rule ${rule}:\n  ${message}\n\n${story.map((line) => `  ${line}\n`).join('')}\nRepeat it: ${command}\n\n`;
  }

  private get elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  private sorted(): [string, number][] {
    return [...this.coverage].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
