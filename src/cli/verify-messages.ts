import type { Finding } from '../testing/index.js';

/** What a child is told to do. */
export interface Task {
  readonly file: string;
  readonly exportName: string | undefined;
  readonly request: unknown;
  readonly toolOptions: Record<string, unknown>;
  readonly timeoutMs: number;
  readonly modelServer: boolean;
  /** Undefined: the server's own answers. */
  readonly modelAnswer: unknown;
  readonly checks: readonly string[];
}

/** What a child says. */
export type Message =
  /** Again and again, while its event loop turns. */
  | { readonly type: 'alive' }
  | { readonly type: 'tool'; readonly name: string; readonly version: string }
  /** The arguments cannot be used; nothing else follows. */
  | { readonly type: 'unusable'; readonly message: string }
  | { readonly type: 'check'; readonly id: string }
  | { readonly type: 'finding'; readonly finding: Finding }
  | { readonly type: 'done' };
