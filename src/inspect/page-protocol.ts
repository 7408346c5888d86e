/** What a page is told: that an app begins anew, lines of its records, or that it may forget a run. */
export type PageMessage =
  | { readonly type: 'app'; readonly app: string }
  | { readonly type: 'lines'; readonly app: string; readonly lines: readonly string[] }
  | { readonly type: 'forget'; readonly app: string; readonly run: string };

/** What a page is for, as it finds it in its document. */
export interface PageMode {
  /** `replay`: all there is to see is there already, and time is the reader's. */
  readonly mode: 'live' | 'replay';
  /** Name of the recording. */
  readonly title?: string;
}
