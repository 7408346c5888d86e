import { parseArgs } from 'node:util';
import { connect, UsageError } from './endpoint.js';
import { playScenes } from './scenes.js';
import { jsonView, textView } from './view.js';

const HELP = `Troupe's demo: two models behind one orchestrator, what happens when one of them is in trouble, and a
question that is asked until the answers are clear.

  npm start                        plain lines, or colours on a terminal (NO_COLOR turns them off)
  npm start --silent -- --json     every event as a line of JSON, then each output
  npm start -- --help              this text

Without settings it calls a stand-in model server on loopback, which fails on purpose. To call a real one:

  OPENAI_BASE_URL   such as https://api.openai.com/v1; anything that speaks OpenAI's chat completions will do
  OPENAI_API_KEY    its key, if it wants one
  TROUPE_MODEL      the model to ask (default gpt-4o-mini); "large,small" names another for fallback and vote

Ctrl-C cancels the run and prints what it cost and what was finished; a second Ctrl-C quits at once.
Exit code: 0, 1 when a run failed, 2 for arguments that cannot be used, 130 after Ctrl-C.
`;

/** @param {string[]} args */
function readArguments(args) {
  try {
    return parseArgs({ args, options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
      .values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message.split('. ')[0]);
  }
}

/** The signal that the first Ctrl-C aborts. The second one ends the process. */
function cancelledByUser(/** @type {import('./view.js').View} */ view) {
  const controller = new AbortController();
  let pressedAt = 0;
  process.on('SIGINT', () => {
    if (!controller.signal.aborted) {
      pressedAt = performance.now();
      view.note('\nCtrl-C: cancelling. Press it again to quit at once.');
      controller.abort(new Error('Ctrl-C was pressed.'));
    } else if (performance.now() - pressedAt > 250) {
      process.exit(130); // Sooner it is the same key: npm passes on what the terminal has sent us already.
    }
  });
  return controller.signal;
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env */
async function main(args, env) {
  const { help, json } = readArguments(args);
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const view = json ? jsonView(process.stdout) : textView(process.stdout, env);
  const signal = cancelledByUser(view);
  const endpoint = await connect(env);
  try {
    return await playScenes(endpoint, view, signal);
  } finally {
    await endpoint.stop();
  }
}

// Nobody reads on, as in `npm start | head`: nothing is left to tell.
process.stdout.on('error', () => process.exit(0));
try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}. See --help.`);
  else console.error(error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
