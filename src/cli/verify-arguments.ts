import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { listChecks } from '../testing/index.js';
import type { Task } from './verify-messages.js';

export const HELP = `Usage: troupe verify <file> [options]

Loads a tool (a Tool, a class that extends Tool, an object with execute, or a function) and drives it through what its
surroundings can do to it, each time in a process of its own. Prints what was tried, what happened, what a user of the
tool would have seen, and what to fix.

  --request <json>       a request the tool can answer: JSON, or @file.json. Default: {}
  --tool-options <json>  its options: JSON, or @file.json
  --export <name>        which export of the file it is. Default: the default export, or the only tool
  --model-server         its HTTP calls meet a local server that fails in all the ways a provider can
  --model-answer <file>  what that server answers when it does not fail: a file of JSON; turns it on
  --timeout <ms>         the limit of one call. Default: 10000
  --only <ids>           make these checks only, comma separated
  --list                 list the checks
  --json                 print JSON instead of a table
  --help                 print this

Exit code: 0 no promise is broken, 1 at least one is, 2 the arguments cannot be used.
`;

const OPTIONS = {
  request: { type: 'string' },
  'tool-options': { type: 'string' },
  export: { type: 'string' },
  'model-server': { type: 'boolean' },
  'model-answer': { type: 'string' },
  timeout: { type: 'string' },
  only: { type: 'string' },
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Arguments that cannot be used. */
export class Unusable extends Error {}

export interface Settings {
  readonly task: Task;
  readonly asJson: boolean;
}

/** @throws {Unusable} */
export function readArguments(args: readonly string[]): Settings | 'help' | 'list' {
  const { values, positionals } = parsed(args);
  if (values.help) return 'help';
  if (values.list) return 'list';
  const [file, ...more] = positionals;
  if (file === undefined) throw new Unusable('Name the file of the tool. See --help.');
  if (more.length > 0) throw new Unusable(`One file at a time; "${more[0]}" is one more. See --help.`);
  const modelAnswer = values['model-answer'];
  const modelServer = values['model-server'] === true || modelAnswer !== undefined;
  const toolOptions = json('--tool-options', values['tool-options'] ?? '{}');
  if (typeof toolOptions !== 'object' || toolOptions === null || Array.isArray(toolOptions)) {
    throw new Unusable(`--tool-options must be a JSON object; got ${JSON.stringify(toolOptions)}.`);
  }
  return {
    asJson: values.json === true,
    task: {
      file: fileAt(file),
      exportName: values.export,
      request: json('--request', values.request ?? '{}'),
      toolOptions: toolOptions as Record<string, unknown>,
      timeoutMs: milliseconds(values.timeout ?? '10000'),
      modelServer,
      modelAnswer: modelAnswer === undefined ? undefined : json('--model-answer', `@${modelAnswer}`),
      checks: checksNamed(values.only, modelServer),
    },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Unusable(`${(error as Error).message.split('. ')[0]}. See --help.`, { cause: error });
  }
}

function fileAt(given: string): string {
  const file = path.resolve(given);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new Unusable(`There is no file ${file}.`);
  if (!found.isFile()) throw new Unusable(`${file} is no file. Name the file of the tool.`);
  return file;
}

function json(option: string, given: string): unknown {
  let text = given;
  if (given.startsWith('@')) {
    try {
      text = readFileSync(given.slice(1), 'utf8');
    } catch (error) {
      throw new Unusable(`${option}: cannot read ${given.slice(1)}: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    throw new Unusable(`${option} must be JSON, or @file.json; got ${shown} (${(error as Error).message}).`, {
      cause: error,
    });
  }
}

function milliseconds(given: string): number {
  const ms = Number(given);
  if (!/^\d+$/.test(given) || ms < 1 || ms > 3_600_000) {
    throw new Unusable(`--timeout must be a whole number of milliseconds, 1 to 3600000; got "${given}".`);
  }
  return ms;
}

function checksNamed(given: string | undefined, modelServer: boolean): string[] {
  const checks = listChecks();
  if (given === undefined) {
    return checks.filter(({ family }) => modelServer || family !== 'provider').map(({ id }) => id);
  }
  const ids = given.split(',').map((id) => id.trim());
  const unknown = ids.find((id) => !checks.some((check) => check.id === id));
  if (unknown !== undefined) {
    throw new Unusable(
      `--only: there is no check "${unknown}". There are ${checks.map(({ id }) => id).join(', ')}.`,
    );
  }
  const provider = checks.find(({ id, family }) => family === 'provider' && ids.includes(id));
  if (provider && !modelServer)
    throw new Unusable(`--only: the check "${provider.id}" needs --model-server.`);
  return ids;
}
