import { checkRecording, startViewer, type Difference, type RecordingCheck } from '../inspect/index.js';
import { commandOf, parsed, portOf, UsageError } from './usage.js';

const HELP = `Usage: troupe replay <recording> [options]

Shows a recording, as \`inspect: recorder('run.ndjson')\` writes it, on the page of \`troupe inspect\`, with a slider that steps
forwards and backwards. Open the address that it prints.

  --check        shows nothing: takes the recorded events through the charts again, and reports the first step that differs
  --json         with --check: the result as JSON
  --port N       default: one that is free
  --token TEXT   the word that lets a page in. Default: a new one
  --help         this

Exit code: 0; with --check 1 when a step differs; 2 the arguments cannot be used, or the file is no recording.
`;

/** `troupe replay`: a recording on the viewer's page, or taken through the charts again. */
export const command = commandOf('replay', HELP, async (args) => {
  const { values, positionals } = parsed({
    args: [...args],
    options: {
      check: { type: 'boolean' },
      json: { type: 'boolean' },
      port: { type: 'string' },
      token: { type: 'string' },
    },
    allowPositionals: true,
  });
  const [file, ...more] = positionals;
  if (file === undefined) throw new UsageError('Name the recording.');
  if (more.length > 0) throw new UsageError(`One recording at a time; "${more[0]}" is one more.`);
  if (values.check) return check(file, values.json === true);
  if (values.json) throw new UsageError('--json goes with --check.');
  const port = portOf(values.port);
  const { token } = values;
  const viewer = await startViewer({
    recording: file,
    ...(port === undefined ? {} : { port }),
    ...(token === undefined ? {} : { token }),
  });
  process.stderr.write(`The recording: ${viewer.url}\n`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await viewer.close();
  return 0;
});

function check(file: string, asJson: boolean): number {
  const found = checkRecording(file);
  process.stdout.write(asJson ? `${JSON.stringify(found, null, 2)}\n` : textOf(found));
  return found.difference ? 1 : 0;
}

function textOf({ steps, actors, unchecked, otherCharts, isRedacted, difference }: RecordingCheck): string {
  const lines = [
    ...(difference
      ? differenceText(difference)
      : [`All ${steps} steps of ${actors} actors are as they were recorded.`]),
    ...(unchecked > 0
      ? [
          `${unchecked} steps were not checked: their beginning is not in the recording, or their chart is none of Troupe's.`,
        ]
      : []),
    ...(otherCharts.length > 0 ? [`Recorded with another version of: ${otherCharts.join(', ')}.`] : []),
    ...(isRedacted
      ? ['It was recorded with `redact`, so only states and the names of actions were compared.']
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function differenceText({ n, at, run, name, event, what, recorded, replayed }: Difference): string[] {
  return [
    `Record ${n}, ${new Date(at).toISOString()}: ${name}${run === undefined ? '' : ` of run ${run}`} differs in its ${what}.`,
    `  event     ${JSON.stringify(event)}`,
    `  recorded  ${JSON.stringify(recorded)}`,
    `  now       ${JSON.stringify(replayed)}`,
  ];
}
