import type { Check } from '../check.js';
import { broken, clip, duration, kept, shown, skipped, warning, type Found } from '../finding.js';
import { isAnswered, type Observed, type Subject } from '../subject.js';
import { isBundleTool } from '../../../core/bundle-tool.js';
import type { AttemptFailure, ErrorJson } from '../../../core/errors.js';
import { isToolResult } from '../../../core/tool.js';

const TRIED = 'called once';

/** The tool answers the request, with something that reaches its user whole. */
export const answer: Check = {
  id: 'answer',
  title: 'answers the request, with JSON that fits its own schema',
  family: 'answer',
  needsAnswer: false,
  async run(subject) {
    const warned: string[] = [];
    const observed = await subject.call({
      events: (event) => {
        if (event.type === 'warning' && !TOLD_ELSEWHERE.has(event.code)) warned.push(event.message);
      },
    });
    if (!isAnswered(observed)) return [noAnswer(subject, observed)];
    return [answered(subject, observed), ...lostOnTheWay(observed), ...warned.slice(0, 3).map(warnedOf)];
  },
};

function answered(subject: Subject, { output, elapsedMs }: Observed): Found {
  const schema = subject.tool.output && !isBundleTool(subject.tool) ? ', which fits its `output` schema' : '';
  const value = shown(output!.content, 80);
  if (output!.status === 'partial') {
    return warning(TRIED, {
      happened: `it answered in part, in ${duration(elapsedMs)}: ${reasonOf(output)}`,
      seen: 'a bundle with a warning: no more than half of its replicates are valid',
      fix: 'Look at `replicates[].error` and `quality.errors` in the bundle.',
    });
  }
  return kept(TRIED, `it answered in ${duration(elapsedMs)}${schema}: ${value}`);
}

function noAnswer(subject: Subject, { output, error, executions }: Observed): Found {
  const { timeoutMs } = subject.options;
  if (output?.status === 'timed_out') {
    return broken(TRIED, {
      happened: `it had not answered after ${duration(timeoutMs)}`,
      seen: 'a run without `timeoutMs` that never ends',
      fix: 'Limit how long the tool waits. If it needs longer for this request, allow that with --timeout (`timeoutMs`).',
    });
  }
  const problem = reasonOf(output) ?? clip(error instanceof Error ? error.message : String(error));
  const code = output?.error?.code;
  if (code === 'invalid_output') return broken(TRIED, invalid(problem));
  if (code === 'validation' && executions.length === 0) {
    return broken(TRIED, {
      happened: problem,
      seen: 'the run fails before the tool is called',
      fix: 'Give a request that the `input` schema of the tool takes.',
    });
  }
  const thrown = executions.map(({ ending }) => ending).find((ending) => ending?.kind === 'threw');
  const isNoError = thrown?.kind === 'threw' && !(thrown.error instanceof Error);
  return broken(TRIED, {
    happened: isNoError ? `it threw what is no Error: ${shown(thrown.error)}` : `it failed: ${problem}`,
    seen: `a \`failed\` run with the code ${code ?? 'unknown'}`,
    fix: isNoError
      ? 'Throw an `Error` that carries `status`, `code` or `cause`: without them nobody can tell whether to try again.'
      : 'Verify the tool with a request it can answer. Its provider is out of reach? --model-server stands in for it.',
  });
}

function reasonOf(output: Observed['output']): string | undefined {
  const bundle = (output?.content as { evidenceBundle?: { replicates?: unknown } } | null)?.evidenceBundle;
  const replicates = Array.isArray(bundle?.replicates) ? (bundle.replicates as ReplicateLike[]) : [];
  const [one] = replicates.filter(({ status }) => status !== 'valid');
  const of =
    one && ((one.error && (lastFailure(one.error) ?? one.error.message)) ?? one.quality?.errors?.[0]);
  if (of !== undefined) return clip(`${one!.id}: ${of}`, 200);
  return output?.error && clip(lastFailure(output.error) ?? output.error.message, 200);
}

/** What the tool itself said, without what the run made of it. */
export function lastFailure(error: ErrorJson): string | undefined {
  const failures = error['failures'] as readonly AttemptFailure[] | undefined;
  return failures?.at(-1)?.message;
}

interface ReplicateLike {
  readonly id: string;
  readonly status: string;
  readonly error?: ErrorJson;
  readonly quality?: { readonly errors?: readonly string[] };
}

function invalid(problem: string) {
  const [, fix] = OUTPUT_FIXES.find(([pattern]) => pattern.test(problem)) ?? [
    0,
    'Return plain JSON: text, finite numbers, lists, objects.',
  ];
  return {
    happened: problem,
    seen: 'a `failed` run with the code invalid_output; what it cost is lost',
    fix,
  };
}

const OUTPUT_FIXES: readonly (readonly [RegExp, string])[] = [
  [/`output` schema/, 'Return what the `output` schema asks for, or correct the schema.'],
  [
    /Generator|Iterator/,
    'Collect what the generator gives, emit it as `delta` events, and return the whole.',
  ],
  [/larger than/, 'Return a summary, or a reference to where the whole is kept; or raise `maxOutputBytes`.'],
  [/NaN|Infinity/, 'Check numbers before they are returned: JSON has no NaN and no Infinity.'],
  [/is a Map|is a Set/, 'Return `Object.fromEntries(map)` or `[...set]`.'],
  [/bigint/, 'Return a BigInt as text.'],
  [/cycle/, 'Return objects that do not contain themselves: ids instead of references.'],
];

/** What JSON leaves out without a word. */
function lostOnTheWay({ executions }: Observed): Found[] {
  const tried = 'what it returned against what its user gets';
  const found = new Map<string, Found>();
  for (const { ending } of executions) {
    if (ending?.kind !== 'answered') continue;
    const content = isToolResult(ending.value) ? ending.value.content : ending.value;
    const lost = lossIn(content);
    if (lost) found.set(lost.happened, warning(tried, lost));
  }
  return [...found.values()];
}

function lossIn(content: unknown) {
  if (content === undefined) {
    return {
      happened: 'it returned undefined',
      seen: 'null as the content, of a run that is `completed`',
      fix: 'Return something, or throw. If there is nothing to say, return null on purpose.',
    };
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(content);
  if (prototype === Object.prototype || prototype === null || 'toJSON' in content) return undefined;
  return {
    happened: `it returned an instance of ${content.constructor?.name ?? 'a class'}`,
    seen: 'a plain object with its own properties; methods and getters are gone',
    fix: 'Return a plain object, or give the class a `toJSON`.',
  };
}

/** Warnings that are the tool's own, or that the checks of usage and events tell of. */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set([
  'tool_warning',
  'usage_ignored',
  'callback_failed',
  'event_ignored',
]);

function warnedOf(message: string): Found {
  return warning('what the run warned of', {
    happened: clip(message, 200),
    seen: 'this warning, with every run',
    fix: 'Do as the warning says.',
  });
}

/** What checks say that need an answer, of a tool that gives none. */
export function cannotTry(): Found {
  return skipped('nothing', 'the tool does not answer the request');
}
