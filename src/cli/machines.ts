import * as machines from '../machines/index.js';
import { chartDocument, type ChartFormat } from '../inspect/index.js';
import { commandOf, parsed, UsageError } from './usage.js';

const CHARTS = {
  run: machines.runMachine,
  bundle: machines.bundleMachine,
  replicate: machines.replicateMachine,
  breaker: machines.breakerMachine,
  budget: machines.budgetMachine,
} as const;

const FORMATS: readonly ChartFormat[] = ['mermaid', 'json', 'xstate', 'svg'];

const HELP = `Usage: troupe machines [name] [--format mermaid | json | xstate | svg]

Without a name: the charts there are. With one: the chart, as a Mermaid diagram (the default), as XState's config in JSON, which
Stately Studio opens as it is, as a module for XState, or as a drawing.

  --format FORMAT   default: mermaid
  --help            this

Exit code: 0, 2 the arguments cannot be used.
`;

/** `troupe machines`: the charts as documents. */
export const command = commandOf('machines', HELP, async (args) => {
  const { values, positionals } = parsed({
    args: [...args],
    options: { format: { type: 'string' } },
    allowPositionals: true,
  });
  const [name, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`One chart at a time; "${more[0]}" is one more.`);
  const format = (values.format ?? 'mermaid') as ChartFormat;
  if (!FORMATS.includes(format)) {
    throw new UsageError(`--format is ${FORMATS.join(', ')}; got "${format}".`);
  }
  if (name === undefined) {
    if (values.format !== undefined) throw new UsageError(`Name a chart: ${Object.keys(CHARTS).join(', ')}.`);
    process.stdout.write(list());
    return 0;
  }
  if (!Object.hasOwn(CHARTS, name)) {
    throw new UsageError(`There is no chart "${name}". There are ${Object.keys(CHARTS).join(', ')}.`);
  }
  process.stdout.write(await chartDocument(CHARTS[name as keyof typeof CHARTS], format));
  return 0;
});

function list(): string {
  const lines = Object.entries(CHARTS).map(
    ([name, { root }]) => `  ${name.padEnd(10)} ${root.description ?? ''}`,
  );
  return `${lines.join('\n')}\n`;
}
