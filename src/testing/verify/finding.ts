/** `kept`: the promise holds. `broken`: it does not. `warning`: no promise, but users will feel it. `skipped`: it could not be tried. */
export type Verdict = 'kept' | 'broken' | 'warning' | 'skipped';

/** What one check found out about a tool. Plain JSON. */
export interface Finding {
  /** Id of the check. */
  readonly check: string;
  readonly verdict: Verdict;
  /** What was done to the tool. */
  readonly tried: string;
  /** What the tool did. */
  readonly happened: string;
  /** What a user of the tool would have seen. */
  readonly seen: string;
  /** What to change in the tool; '' where there is nothing to change. */
  readonly fix: string;
}

/** A finding, before it is known of which check. */
export type Found = Omit<Finding, 'check'>;

interface Fault {
  readonly happened: string;
  readonly seen: string;
  readonly fix: string;
}

export function kept(tried: string, happened: string, seen = 'nothing out of the ordinary'): Found {
  return { verdict: 'kept', tried, happened, seen, fix: '' };
}

export function broken(tried: string, fault: Fault): Found {
  return { verdict: 'broken', tried, ...fault };
}

export function warning(tried: string, fault: Fault): Found {
  return { verdict: 'warning', tried, ...fault };
}

export function skipped(tried: string, why: string): Found {
  return { verdict: 'skipped', tried, happened: why, seen: '', fix: '' };
}

/** A value in one short line, for people. */
export function shown(value: unknown, max = 100): string {
  let text: string;
  try {
    text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  } catch {
    text = Object.prototype.toString.call(value);
  }
  return clip(text, max);
}

/** A text in one line: what a tool says must not steer a terminal. */
export function clip(text: string, max = 160): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 3)}...`;
}

/** Milliseconds, for people. */
export function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
