import type { Group, Target } from './targets.mjs';

interface Machine {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly node: string;
  readonly v8: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function benchPage(
  results: {
    readonly machine: Machine;
    readonly isQuick: boolean;
    readonly groups: readonly Group[];
    readonly targets: readonly Target[];
  },
  charts: readonly { readonly title: string; readonly file: string }[],
): string;
