import type { Finding, Verdict } from './finding.js';

/** What was found out about a tool. Plain JSON. */
export interface VerifyReport {
  /** Name of the tool. */
  readonly tool: string;
  /** False when a promise is broken. */
  readonly ok: boolean;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly findings: readonly Finding[];
}

/** A report on findings of one tool, wherever they come from. */
export function reportOf(tool: string, given: readonly Finding[]): VerifyReport {
  const findings = withoutRepeats(given);
  const counts = { kept: 0, broken: 0, warning: 0, skipped: 0 };
  for (const { verdict } of findings) counts[verdict] += 1;
  return { tool, ok: counts.broken === 0, counts, findings };
}

/** What goes wrong in the background shows in many checks, and is told once: where it belongs, else where it came first. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const told = new Map<string, Finding>();
  for (const finding of findings) {
    const key = faultOf(finding);
    if (!told.has(key) || finding.check === 'aftermath') told.set(key, finding);
  }
  return findings.filter((finding) => told.get(faultOf(finding)) === finding);
}

function faultOf({ verdict, check, tried, happened }: Finding): string {
  const isOfProcess = verdict === 'broken' && tried.startsWith('its process, watched');
  return JSON.stringify(isOfProcess ? [tried, happened] : [check, tried, happened]);
}
