import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setInterval } from 'node:timers';
import type { AnyTool, JsonValue } from '../index.js';
import { ModelServer, pickTool, redirectHttp, settingsFor, verifyTool } from '../testing/index.js';
import type { Message, Task } from './verify-messages.js';

/** Loads a tool and makes some of the checks, in a process that the tool may do to what it likes. */
const send = process.send!.bind(process) as (message: Message, sent?: () => void) => void;
// While a tool is verified, `process.exit` is not what it was.
const exit = process.exit.bind(process);

process.once('message', (task) => void work(task as Task));
// Whoever asked is gone.
process.once('disconnect', () => exit());

async function work(task: Task): Promise<void> {
  const alive = setInterval(() => send({ type: 'alive' }), 100);
  const server = task.modelServer ? await startServer(task.modelAnswer) : undefined;
  try {
    const tool = await load(task);
    send({ type: 'tool', name: tool.name, version: tool.version ?? '1.0.0' });
    await refuseWrongRequest(tool, task.request);
    await verifyTool(tool, {
      request: task.request,
      toolOptions: task.toolOptions,
      timeoutMs: task.timeoutMs,
      checks: task.checks,
      ...(server ? { modelServer: server } : {}),
      onCheck: (id) => send({ type: 'check', id }),
      onFinding: (finding) => send({ type: 'finding', finding }),
    });
    send({ type: 'done' });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    send({ type: 'unusable', message }, () => exit());
    return;
  }
  clearInterval(alive);
  process.removeAllListeners('disconnect');
  // From here on the process ends by itself, unless the tool keeps it alive.
  process.disconnect();
}

/** Before the tool is loaded: it may take `fetch` or its settings as it finds them then. */
async function startServer(answer: unknown): Promise<ModelServer> {
  const server = await ModelServer.start(answer === undefined ? {} : { answer: answer as JsonValue });
  redirectHttp(server);
  Object.assign(process.env, settingsFor(server));
  return server;
}

async function load({ file, exportName }: Task): Promise<AnyTool> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(whyNotLoaded(file, error), { cause: error });
  }
  const { name } = path.parse(file);
  const fallbackName = name.replaceAll(/[^\w.:/-]/g, '_');
  try {
    return await pickTool(module, {
      fallbackName,
      ...(exportName === undefined ? {} : { name: exportName }),
    });
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function whyNotLoaded(file: string, error: unknown): string {
  const { code, name, message } = error as Partial<NodeJS.ErrnoException>;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?tsx?$/.test(file)) {
    return (
      `${file} is TypeScript, which Node ${process.versions.node} does not read. Compile it first, use Node 22.18 or newer, ` +
      'or set a loader: NODE_OPTIONS="--import tsx".'
    );
  }
  if (name === 'SyntaxError') return `${file} cannot be read: SyntaxError: ${message}`;
  return `${file} could not be loaded: ${message ?? String(error)}`;
}

async function refuseWrongRequest(tool: AnyTool, request: unknown): Promise<void> {
  if (tool.input === undefined) return;
  const forms = typeof request === 'string' ? [request, { query: request }] : [request];
  let problem = '';
  for (const form of forms) {
    try {
      const result = await tool.input['~standard'].validate(form);
      if (result.issues === undefined) return;
      problem ||= result.issues
        .map(({ message, path: at }) => [...(at ?? []).map(String), message].join(': '))
        .join('; ');
    } catch (error) {
      problem ||= `the schema threw: ${String(error)}`;
    }
  }
  throw new Error(
    `The tool "${tool.name}" refuses the request ${JSON.stringify(request)}: ${problem}. Give one that its \`input\` schema takes, with --request.`,
  );
}
