/** A file in vitest's JSON report. */
export interface TestFile {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly title: string;
    readonly ancestorTitles: readonly string[];
  }[];
}

export function firstFailure(files: readonly TestFile[], folder: string, output: string): string;

export function brokenRule(output: string): string;
