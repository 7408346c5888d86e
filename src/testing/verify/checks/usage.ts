import type { Check } from '../check.js';
import { broken, clip, kept, shown, warning, type Found } from '../finding.js';
import type { Execution } from '../recorder.js';
import type { Subject } from '../subject.js';
import { isToolResult, type Estimate } from '../../../core/tool.js';
import { readUsage, type KnownUsage } from '../../../core/usage.js';
import { Estimates } from '../../../runtime/estimates.js';

/** What the tool says it used, against what it said it would use. */
export const usage: Check = {
  id: 'usage',
  title: 'reports what it used, and no more than it had estimated',
  family: 'answer',
  needsAnswer: true,
  async run(subject) {
    const { observed } = await subject.baseline();
    const estimated = estimateOf(subject);
    const reports = observed.executions.map(reportOf);
    return [
      ...(estimated.problem === undefined ? [] : [badEstimate(estimated.problem)]),
      ...badFields(reports),
      ...(estimated.problem === undefined ? judge(estimated.estimate, reports) : []),
    ];
  },
};

const TRIED = 'its usage against its `estimate`';

interface Report {
  /** What the tool gave, unread. */
  readonly given: unknown;
  readonly known: KnownUsage | undefined;
  readonly ignored: readonly string[];
}

function reportOf({ ending, charges }: Execution): Report {
  const value = ending?.kind === 'answered' ? ending.value : undefined;
  const given = isToolResult(value) ? value.usage : undefined;
  const { usage: known, ignored } = readUsage(given);
  const charged = charges.map(readUsage);
  const sum = charged.reduce<KnownUsage | undefined>((total, { usage }) => more(total, usage), undefined);
  return {
    given: given ?? (charges.length > 0 ? charges : undefined),
    // Charges stand where the report is lower.
    known: known && sum && sum.totalTokens > known.totalTokens ? sum : (known ?? sum),
    ignored: [...ignored, ...charged.flatMap((charge) => charge.ignored)],
  };
}

function more(a: KnownUsage | undefined, b: KnownUsage | undefined): KnownUsage | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const costUsd =
    a.costUsd === undefined && b.costUsd === undefined ? undefined : (a.costUsd ?? 0) + (b.costUsd ?? 0);
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    totalTokens: a.totalTokens + b.totalTokens,
    costUsd,
  };
}

function estimateOf(subject: Subject): { estimate: Estimate | undefined; problem: string | undefined } {
  let problem: string | undefined;
  const { request, toolOptions } = subject.options;
  const options = { ...(subject.tool.defaultOptions as object | undefined), ...toolOptions };
  const estimate = new Estimates().of(subject.recorder.tool, request, options, (message) => {
    problem = message;
  });
  return { estimate, problem };
}

function badEstimate(problem: string): Found {
  return broken('asked for its `estimate`', {
    happened: clip(problem),
    seen: 'a warning with every run; under a budget the first call reserves all that is left',
    fix: 'Return `{ tokens, costUsd }` at once (no promise), as numbers of at least 0, for every request.',
  });
}

function badFields(reports: readonly Report[]): Found[] {
  const bad = reports.find(({ ignored }) => ignored.length > 0);
  if (!bad) return [];
  return [
    broken('read the usage it reports', {
      happened: `${bad.ignored.map((name) => `\`${name}\``).join(', ')} is no amount: ${usageText(bad.given)}`,
      seen: 'a warning; the figures are ignored, and the budget counts the reservation instead, or nothing',
      fix: 'Report numbers of at least 0. Leave out what is not known.',
    }),
  ];
}

/** JSON would show NaN as null. */
function usageText(given: unknown): string {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return shown(given);
  return clip(
    Object.entries(given)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', '),
  );
}

function judge(estimate: Estimate | undefined, reports: readonly Report[]): Found[] {
  const known = reports.flatMap((report) => report.known ?? []);
  if (known.length === 0) return reports.some(({ given }) => given !== undefined) ? [] : [noReport(estimate)];
  const tokens = Math.max(...known.map(({ totalTokens }) => totalTokens));
  const costUsd = Number(Math.max(...known.map((one) => one.costUsd ?? 0)).toPrecision(6));
  const isPriced = known.some((one) => one.costUsd !== undefined);
  const used = `${tokens} tokens${isPriced ? `, $${costUsd}` : ''}`;
  const over = overrun(estimate, tokens, costUsd);
  if (over) {
    return [
      broken(TRIED, {
        happened: `a call used ${used}, with an estimate of ${over}`,
        seen: 'a surprise bill: the reservation was too small, so the run can go over its budget',
        fix: 'Estimate the most that a call may use: the longest answer the model may give included (`max_tokens`).',
      }),
    ];
  }
  if (estimate === undefined) {
    return [
      warning(TRIED, {
        happened: `it reports its usage (${used}), but has no \`estimate\``,
        seen: 'under a budget the first call reserves all that is left, so the others wait for it',
        fix: 'Give the tool an `estimate(request, options)` of the most that a call may use.',
      }),
    ];
  }
  if (!isPriced && tokens > 0) {
    return [
      warning(TRIED, {
        happened: `it reports tokens (${tokens}), but no \`costUsd\``,
        seen: 'under a budget in dollars the call counts as free, with a warning',
        fix: 'Report `costUsd` as well.',
      }),
    ];
  }
  return [kept(TRIED, `a call used ${used}, within its estimate`)];
}

function overrun(
  { tokens, costUsd }: Estimate = {},
  usedTokens: number,
  usedUsd: number,
): string | undefined {
  if (tokens !== undefined && usedTokens > tokens) return `${tokens} tokens`;
  if (costUsd !== undefined && usedUsd > costUsd) return `$${costUsd}`;
  return undefined;
}

function noReport(estimate: Estimate | undefined): Found {
  return warning(TRIED, {
    happened: `it reports no usage${estimate ? '' : ', and has no `estimate`'}`,
    seen: estimate
      ? 'every call counts as its estimate, and `usage.estimated` is true'
      : 'under a budget the first call counts as all that is left, and no other call is made',
    fix: 'Return `toolResult({ content, usage })`; `{ totalTokens: 0, costUsd: 0 }` where a call costs nothing.',
  });
}
