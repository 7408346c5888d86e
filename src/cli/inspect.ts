import { spawn } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { startViewer, type Viewer, type ViewerOptions } from '../inspect/index.js';
import { commandOf, parsed, portOf, UsageError } from './usage.js';

const LOOK_MS = 250;

const HELP = `Usage: troupe inspect [options] [-- command ...]

Starts a page on this machine that shows every run live: the state each actor is in and how it came there, calls, waits,
costs, breakers, pools and budgets. Open the address that it prints.

With a command after "--" it runs that, and every Troupe in it is shown:

  npx troupe inspect -- node app.js

Without one it waits for apps; each is started with the variable TROUPE_INSPECT that it prints.

  --port N       default: one that is free
  --token TEXT   the word that lets a page or an app in: one that cannot be guessed. Default: a new one
  --help         this

The page is on 127.0.0.1 only, and nothing of it comes from elsewhere. It stays after the command has ended, until Ctrl-C;
where there is no terminal, until no page has looked for five seconds.
Exit code: that of the command, 0 without one, 2 the arguments cannot be used.
`;

/** `troupe inspect`: the viewer, and an app shown in it. */
export const command = commandOf('inspect', HELP, async (args) => {
  const divider = args.indexOf('--');
  const own = divider === -1 ? args : args.slice(0, divider);
  const [program, ...programArgs] = divider === -1 ? [] : args.slice(divider + 1);
  if (divider !== -1 && program === undefined) throw new UsageError('Name a command after "--".');
  const { values, positionals } = parsed({
    args: [...own],
    options: { port: { type: 'string' }, token: { type: 'string' } },
    allowPositionals: true,
  });
  if (positionals.length > 0) {
    throw new UsageError(`Put "--" before the command: npx troupe inspect -- ${positionals.join(' ')}`);
  }
  const viewer = await startViewer(optionsOf(portOf(values.port), values.token));
  try {
    return await show(viewer, program, programArgs);
  } finally {
    await viewer.close();
  }
});

async function show(viewer: Viewer, program: string | undefined, args: readonly string[]): Promise<number> {
  // The app's own output must stay as it is.
  process.stderr.write(`Troupe's viewer: ${viewer.url}\n`);
  const stopped = untilStopped();
  if (program === undefined) {
    process.stderr.write(`Show an app in it: TROUPE_INSPECT='${viewer.url}' node app.js\n`);
    await stopped;
    return 0;
  }
  const code = await runApp(program, args, viewer.url);
  process.stderr.write('The app has ended.\n');
  await (process.stderr.isTTY ? stopped : Promise.race([stopped, untilNobodyLooks(viewer)]));
  return code;
}

function optionsOf(port: number | undefined, token: string | undefined): ViewerOptions {
  return { ...(port === undefined ? {} : { port }), ...(token === undefined ? {} : { token }) };
}

async function untilNobodyLooks(viewer: Viewer): Promise<void> {
  for (let alone = 0; alone < 5000; alone = viewer.pages === 0 ? alone + LOOK_MS : 0)
    await setTimeout(LOOK_MS);
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

/** @throws {UsageError} when it cannot be started. */
function runApp(program: string, args: readonly string[], url: string): Promise<number> {
  const app = spawn(program, args, { stdio: 'inherit', env: { ...process.env, TROUPE_INSPECT: url } });
  const pass = (signal: NodeJS.Signals) => () => app.kill(signal);
  // Ctrl-C reaches the app by the terminal; SIGTERM does not.
  const terminate = pass('SIGTERM');
  process.once('SIGTERM', terminate);
  return new Promise((resolve, reject) => {
    app.on('error', (error) => reject(new UsageError(`"${program}" cannot be started: ${error.message}.`)));
    app.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128 + 15)));
  });
}
