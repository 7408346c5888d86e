import { spawnSync } from 'node:child_process';
import { listChecks, reportOf, type Finding } from '../testing/index.js';
import type { Command } from './main.js';
import { HELP, readArguments, Unusable, type Settings } from './verify-arguments.js';
import type { Task } from './verify-messages.js';
import { killAll, runChild, type ChildReport } from './verify-process.js';
import { table } from './verify-table.js';

export const command: Command = async (args) => {
  try {
    const settings = readArguments(args);
    if (settings === 'help') return print(HELP);
    if (settings === 'list') return print(listed());
    return await verify(settings);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    process.stderr.write(`troupe verify: ${error.message}\n`);
    return 2;
  }
};

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function listed(): string {
  const checks = listChecks();
  const width = Math.max(...checks.map(({ id }) => id.length));
  return checks.map(({ id, title }) => `${id.padEnd(width)}  ${title}\n`).join('');
}

async function verify({ task, asJson }: Settings): Promise<number> {
  const startedAt = performance.now();
  const interrupted = () => {
    killAll();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const { tool, findings } = await runAll(task);
    const report = {
      ...reportOf(tool.name, findings),
      file: task.file,
      elapsedMs: performance.now() - startedAt,
    };
    process.stdout.write(asJson ? `${JSON.stringify(report, null, 2)}\n` : forPeople(report));
    return report.ok ? 0 : 1;
  } finally {
    killAll();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

interface Result {
  readonly tool: { readonly name: string };
  readonly findings: readonly Finding[];
}

async function runAll(task: Task): Promise<Result> {
  const families = familiesOf(task.checks);
  const [first, ...others] = families.has('answer') ? [...families.keys()] : ['answer', ...families.keys()];
  // The first child also says whether the arguments can be used at all.
  const opening = await runFamily(task, families.get(first!) ?? []);
  const { tool } = opening;
  if (!tool) throw new Unusable('The tool could not be loaded.');
  const answers = opening.findings.find(({ check }) => check === 'answer');
  const findings = [...opening.findings];
  if (answers?.verdict === 'broken') {
    const why = opening.hasDied
      ? 'the tool ended its process when it was called'
      : 'the tool does not answer the request';
    const rest = opening.hasDied ? others : others.filter((family) => family !== 'stop');
    const ids = rest.flatMap((family) => families.get(family)!);
    if (!opening.hasDied && families.has('stop'))
      findings.push(...(await runFamily(task, families.get('stop')!)).findings);
    if (ids.length > 0) findings.push(...ids.map((check) => notMade(check, why)));
  } else {
    const later = await twoAtATime(others, (family) => runFamily(task, families.get(family)!));
    findings.push(...later.flatMap((report) => report.findings));
  }
  return { tool, findings: inOrder(findings) };
}

function familiesOf(ids: readonly string[]): Map<string, string[]> {
  const families = new Map<string, string[]>();
  for (const { id, family } of listChecks()) {
    if (ids.includes(id)) families.set(family, [...(families.get(family) ?? []), id]);
  }
  return families;
}

/** Makes checks in one process; when the tool has ended it, those that are left in another. */
async function runFamily(task: Task, checks: readonly string[]): Promise<ChildReport> {
  const report = await runChild({ ...task, checks }, { watchEnding: checks.includes('aftermath') });
  if (report.unusable !== undefined) throw new Unusable(withPlace(task.file, report.unusable));
  if (!report.hasDied || report.left.length === 0) return report;
  if (checks[0] === 'answer' && report.left.length === checks.length - 1) {
    const skipped = report.left.map((check) =>
      notMade(check, 'the tool ended its process when it was called'),
    );
    return { ...report, findings: [...report.findings, ...skipped] };
  }
  const rest = await runFamily(task, report.left);
  return { ...report, findings: [...report.findings, ...rest.findings] };
}

/** Node names the line of a syntax error only when it is asked to check the file. */
function withPlace(file: string, message: string): string {
  if (!message.includes('SyntaxError')) return message;
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  const place = /:(\d+)\s/.exec(stderr.split('\n')[0] + ' ')?.[1];
  return place === undefined ? message : `${message} (line ${place})`;
}

function notMade(check: string, why: string): Finding {
  return { check, verdict: 'skipped', tried: 'nothing', happened: why, seen: '', fix: '' };
}

async function twoAtATime<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items.entries()];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await run(next[1]);
  };
  await Promise.all([lane(), lane()]);
  return results;
}

function inOrder(findings: readonly Finding[]): Finding[] {
  const ids = listChecks().map(({ id }) => id);
  return [...findings].sort((a, b) => ids.indexOf(a.check) - ids.indexOf(b.check));
}

function forPeople({
  tool,
  findings,
  counts,
  elapsedMs,
}: ReturnType<typeof reportOf> & { elapsedMs: number }): string {
  const { broken, warning, kept, skipped } = counts;
  const sum = `${broken} broken, ${warning} warned of, ${kept} kept, ${skipped} skipped`;
  return `${table(findings, process.stdout.columns ?? 160)}\n${tool}: ${sum}, in ${(elapsedMs / 1000).toFixed(1)} s\n`;
}
