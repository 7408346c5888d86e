import type { Found } from './finding.js';
import type { Subject } from './subject.js';

/** Something that is tried with a tool. */
export interface Check {
  /** Names it on the command line, and in findings. */
  readonly id: string;
  readonly title: string;
  /** Checks of one family may share a process. */
  readonly family: 'answer' | 'stop' | 'share' | 'aftermath' | 'provider';
  /** True: without an answer to the request it can find nothing. */
  readonly needsAnswer: boolean;
  run(subject: Subject): Promise<readonly Found[]>;
}
