import { InvalidOptionsError } from '../../core/errors.js';
import { defineTool, isTool, Tool, type AnyTool } from '../../core/tool.js';

type Module = Readonly<Record<string, unknown>>;

/**
 * Finds the tool in what a module exports: a tool, a class of tools (one is made), an object with `execute`, or a
 * function. The default export comes first; without one, the only export that is a tool.
 *
 * @param name the export to take. Default: see above.
 * @param fallbackName the name of a tool that has none of its own.
 * @throws {InvalidOptionsError} saying what the module exports instead.
 */
export async function pickTool(
  module: Module,
  { name, fallbackName = 'tool' }: { name?: string; fallbackName?: string } = {},
): Promise<AnyTool> {
  const exported = flattened(module);
  if (name !== undefined) {
    if (!Object.hasOwn(exported, name)) {
      throw new InvalidOptionsError(`There is no export "${name}". It exports ${listOf(exported)}.`);
    }
    return made(await exported[name], name, fallbackName);
  }
  if (exported['default'] !== undefined) return made(await exported['default'], 'default', fallbackName);
  const tools = Object.keys(exported).filter((key) => isToolLike(exported[key]));
  const functions = Object.keys(exported).filter((key) => typeof exported[key] === 'function');
  const [only, ...others] = tools.length > 0 ? tools : functions;
  if (only === undefined) {
    throw new InvalidOptionsError(
      `There is no tool in it. It exports ${listOf(exported)}. Export a Tool, a class that extends Tool, or a function.`,
    );
  }
  if (others.length > 0) {
    const names = [only, ...others].join(', ');
    throw new InvalidOptionsError(`There are several tools in it: ${names}. Name one with --export.`);
  }
  return made(exported[only], only, fallbackName);
}

/** CommonJS comes as a default export, sometimes with a default of its own inside. */
function flattened(module: Module): Module {
  const { default: inner } = module as { default?: unknown };
  const isNested = typeof inner === 'object' && inner !== null && !isToolLike(inner) && !isPromise(inner);
  return isNested ? { ...module, default: undefined, ...(inner as Module) } : module;
}

function isPromise(value: object): boolean {
  return typeof (value as { then?: unknown }).then === 'function';
}

function isToolLike(value: unknown): boolean {
  return isTool(value) || isToolClass(value) || hasExecute(value);
}

function isToolClass(value: unknown): value is new () => unknown {
  if (typeof value !== 'function') return false;
  const { prototype } = value as { prototype?: unknown };
  return isTool(prototype) || (hasExecute(prototype) && /^class\b/.test(String(value)));
}

function hasExecute(value: unknown): value is { name?: unknown; execute(...args: unknown[]): unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { execute?: unknown }).execute === 'function'
  );
}

function made(value: unknown, exportName: string, fallbackName: string): AnyTool {
  const given = isToolClass(value) ? instanceOf(value) : value;
  if (isTool(given)) {
    const { name, execute } = given as Partial<AnyTool>;
    if (given === Tool.prototype || typeof execute !== 'function' || typeof name !== 'string') {
      throw new InvalidOptionsError(
        `The tool in the export "${exportName}" needs a \`name\` and \`execute\`.`,
      );
    }
    return given;
  }
  if (hasExecute(given)) {
    const name = usable(given.name) ?? usable(exportName) ?? fallbackName;
    const execute = (...args: Parameters<AnyTool['execute']>): unknown => given.execute(...args);
    return defineTool({ ...described(given), name, execute });
  }
  if (typeof given === 'function') {
    const name = usable(given.name) ?? usable(exportName) ?? fallbackName;
    return defineTool({ name, execute: given as (request: unknown) => unknown });
  }
  const what = given === null ? 'null' : typeof given;
  throw new InvalidOptionsError(
    `The export "${exportName}" is no tool: it is ${what === 'object' ? 'an object without `execute`' : what}.`,
  );
}

const DESCRIPTION = [
  'version',
  'description',
  'capabilities',
  'provider',
  'input',
  'output',
  'idempotent',
  'replayable',
  'defaultOptions',
] as const;

/** What a tool says about itself, also by way of its class. */
function described(given: object): Partial<AnyTool> {
  const fields = given as Partial<AnyTool>;
  const known = DESCRIPTION.map((name) => [name, fields[name]] as const);
  return {
    ...Object.fromEntries(known.filter(([, value]) => value !== undefined)),
    ...(fields.estimate ? { estimate: fields.estimate.bind(given) } : {}),
  };
}

function instanceOf(constructor: new () => unknown): unknown {
  try {
    return new constructor();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidOptionsError(
      `The class ${constructor.name} cannot be made without arguments (${reason}). Export an instance of it instead.`,
      { cause },
    );
  }
}

function usable(name: unknown): string | undefined {
  return typeof name === 'string' && name !== 'default' && /^[\w.:/-]{1,128}$/.test(name) ? name : undefined;
}

function listOf(exported: Module): string {
  const names = Object.keys(exported).filter((key) => exported[key] !== undefined);
  return names.length === 0 ? 'nothing' : names.map((key) => `"${key}"`).join(', ');
}
