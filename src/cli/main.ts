#!/usr/bin/env node
import { readFileSync } from 'node:fs';

/** Takes the arguments after its name, and gives the exit code: 0 well, 1 found something, 2 cannot be used. */
export type Command = (args: readonly string[]) => Promise<number>;

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: 'one run of the tools in troupe.config.js, for a first try without a program',
    load: () => import('./run.js'),
  },
  inspect: {
    summary: 'a page on this machine that shows every run live, and an app shown in it',
    load: () => import('./inspect.js'),
  },
  replay: {
    summary: 'a recording on that page, with time in your hand; --check takes it through the charts again',
    load: () => import('./replay.js'),
  },
  machines: {
    summary: 'the charts as diagrams, as JSON for Stately Studio, as code, as drawings',
    load: () => import('./machines.js'),
  },
  verify: {
    summary: 'drives a tool through all that its surroundings can do to it, and says what to fix',
    load: () => import('./verify.js'),
  },
  simulate: {
    summary: 'many orchestrations at once under faults, from a seed, with every rule checked after each step',
    load: () => import('./simulate.js'),
  },
};

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: troupe <command> [options]\n\n${lines.join('\n')}\n\ntroupe <command> --help says what it takes.\n`;
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return `${version}\n`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(help());
    return 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(version());
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    process.stderr.write(`troupe: there is no command "${name}".\n\n${help()}`);
    return 2;
  }
  const { command } = await COMMANDS[name]!.load();
  return command(args);
}

process.exitCode = await main(process.argv.slice(2));
