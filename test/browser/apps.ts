import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the scripts of this folder's tests begin with. */
const PREAMBLE = `
import { BundleTool, ReliableOrchestrator, Troupe, defineTool } from 'troupe';
import { createInterface } from 'node:readline';
/** Lines of the standard input, one at a time: the test says when to go on. */
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await told.next()).value;
const fail = (status, message = 'down') => { throw Object.assign(new Error(message), { status }); };
`;

/** An app that a test drives line by line. */
export class App {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(script: string, url: string) {
    const code = PREAMBLE + script;
    this.process = spawn(process.execPath, ['--input-type=module', '-e', code], {
      cwd: root,
      env: { ...process.env, TROUPE_INSPECT: url },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const note = (chunk: Buffer) => (this.output += chunk.toString());
    this.process.stdout!.on('data', note);
    this.process.stderr!.on('data', note);
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
  }

  say(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }
}
