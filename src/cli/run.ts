import { text } from 'node:stream/consumers';
import {
  isOrchestratorError,
  ReliableOrchestrator,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type RunEvent,
  type Troupe,
} from '../index.js';
import { CONFIG_FILE, loadConfig } from './run-config.js';
import { commandOf, parsed, UsageError } from './usage.js';

const HELP = `Usage: troupe run [request] [options]

Runs one request with the tools of a config, and prints the answer. The config is a module that exports the options of a Troupe:

  // ${CONFIG_FILE}
  import { defineTool } from 'troupe';
  export default { tools: [defineTool({ name: 'hello', execute: ({ query }) => \`Hello \${query}\` })] };

The request is JSON, else it is taken as a text; "-" reads it from the standard input.

  --config FILE      default: ${CONFIG_FILE}
  --tool NAME        default: the planner chooses, or the only one there is
  --timeout MS       the run's deadline
  --tokens N         its budget in tokens
  --cost USD         its budget in dollars
  --stream           prints the text as it comes
  --events           each event as a line of JSON, to the standard error
  --json             the whole output as JSON: status, usage, metadata
  --list             prints the tools there are, and runs nothing
  --help             this

Ctrl-C cancels the run. Exit code: 0 an answer, 1 none, 2 the arguments or the config cannot be used, 130 after Ctrl-C.
`;

const OPTIONS = {
  config: { type: 'string', default: CONFIG_FILE },
  tool: { type: 'string' },
  timeout: { type: 'string' },
  tokens: { type: 'string' },
  cost: { type: 'string' },
  stream: { type: 'boolean', default: false },
  events: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
} as const;

/** `troupe run`: one run of a config's tools, for a first try without a program. */
export const command = commandOf('run', HELP, async (args) => {
  const { values, positionals } = parsed({ args: [...args], options: OPTIONS, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError('Give the request as one argument, in quotes.');
  if (values.stream && values.json) throw new UsageError('--stream and --json do not go together.');
  const { troupe, run } = await loadConfig(values.config);
  try {
    if (values.list) return list(troupe);
    if (positionals[0] === undefined) throw new UsageError('Say what to run: the request is missing.');
    const toolName = toolOf(troupe, values.tool);
    const request = requestOf(positionals[0] === '-' ? await text(process.stdin) : positionals[0]);
    const options: OrchestrationOptions = {
      ...run,
      ...limitsOf(values),
      onLimit: 'return',
      ...(values.stream ? { streaming: true } : {}),
    };
    return await play(troupe, { ...(toolName === undefined ? {} : { toolName }), request, options }, values);
  } finally {
    await troupe.close({ graceMs: 0 });
  }
});

async function play(
  troupe: Troupe,
  args: object,
  { stream, events, json }: { stream: boolean; events: boolean; json: boolean },
): Promise<number> {
  let hasText = false;
  const started = new ReliableOrchestrator({ troupe }).start({
    ...args,
    events: (event: RunEvent) => {
      if (events) process.stderr.write(`${JSON.stringify(event)}\n`);
      if (!stream || event.type !== 'delta') return;
      hasText = true;
      process.stdout.write(event.text);
    },
  } as never);
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    started.cancel(new Error('Ctrl-C was pressed.'));
  };
  process.once('SIGINT', interrupt);
  // A tool may wait for what does not keep a process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    const output = await started.output;
    return print(output, json, hasText);
  } catch (error) {
    if (!isOrchestratorError(error)) throw error;
    // Arguments that cannot be used are told with the help.
    if (error.output === undefined && error.code === 'invalid_options') throw error;
    if (json && error.output) process.stdout.write(`${JSON.stringify(error.output, null, 2)}\n`);
    else process.stderr.write(`${error.code}: ${error.message}\n`);
    return isInterrupted ? 130 : 1;
  } finally {
    process.off('SIGINT', interrupt);
    clearInterval(alive);
  }
}

function print(output: OrchestrationOutput, asJson: boolean, hasText: boolean): number {
  const isAnswer = output.status === 'completed' || output.status === 'partial';
  if (asJson) {
    process.stdout.write(`${JSON.stringify(output, null, 2)}\n`);
  } else if (isAnswer) {
    const { content } = output;
    const answer = typeof content === 'string' ? content : JSON.stringify(content, null, 2);
    process.stdout.write(hasText ? '\n' : `${answer}\n`);
  } else {
    process.stderr.write(`${output.status}: ${output.error.code}: ${output.error.message}\n`);
  }
  return isAnswer ? 0 : 1;
}

function list(troupe: Troupe): number {
  for (const [name, { description, version }] of Object.entries(troupe.listTools())) {
    process.stdout.write(`${name} ${version}${description === '' ? '' : `  ${description}`}\n`);
  }
  return 0;
}

function toolOf(troupe: Troupe, asked: string | undefined): string | undefined {
  const names = Object.keys(troupe.listTools());
  if (names.length === 0) throw new UsageError('The config has no tools: `export default { tools: [...] }`.');
  if (asked === undefined) return names.length === 1 ? names[0] : undefined;
  if (!names.includes(asked))
    throw new UsageError(`There is no tool "${asked}". There are ${names.join(', ')}.`);
  return asked;
}

function requestOf(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

function limitsOf(values: { timeout?: string; tokens?: string; cost?: string }): OrchestrationOptions {
  const number = (name: 'timeout' | 'tokens' | 'cost') => {
    const given = values[name];
    if (given === undefined) return undefined;
    const value = Number(given);
    if (given.trim() === '' || !Number.isFinite(value) || value < 0) {
      throw new UsageError(`--${name} takes a number of at least 0, got "${given}".`);
    }
    return value;
  };
  const [timeoutMs, tokens, costUsd] = [number('timeout'), number('tokens'), number('cost')];
  const budget = {
    ...(tokens === undefined ? {} : { tokens }),
    ...(costUsd === undefined ? {} : { costUsd }),
  };
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(Object.keys(budget).length === 0 ? {} : { budget }),
  };
}
