import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Command } from './main.js';

/** Arguments that cannot be used. */
export class UsageError extends Error {}

/**
 * A command with help, whose arguments that cannot be used, and files that cannot be read, end it with the exit code 2.
 */
export function commandOf(name: string, help: string, run: Command): Command {
  return async (args) => {
    if (args[0] === '--help' || args[0] === '-h') {
      process.stdout.write(help);
      return 0;
    }
    try {
      return await run(args);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (!(error instanceof UsageError) && code !== 'invalid_options') throw error;
      process.stderr.write(`troupe ${name}: ${message}\n\n${help}`);
      return 2;
    }
  };
}

/** @throws {UsageError} */
export function parsed<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}.`);
  }
}

/** @throws {UsageError} */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(`--port takes a number from 0 to 65535, got "${text}".`);
  }
  return port;
}
