import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Troupe, type OrchestrationOptions, type TroupeOptions } from '../index.js';
import { UsageError } from './usage.js';

/** What `troupe.config.js` exports by default, or what the function it exports gives. */
export interface TroupeConfig extends TroupeOptions {
  /** Options of every run. */
  run?: OrchestrationOptions;
}

export const CONFIG_FILE = 'troupe.config.js';

/**
 * Loads a config.
 *
 * @throws {UsageError} when there is none, or it exports something else.
 */
export async function loadConfig(
  file: string,
): Promise<{ readonly troupe: Troupe; readonly run: OrchestrationOptions }> {
  const full = path.resolve(file);
  if (!existsSync(full)) {
    throw new UsageError(
      `There is no ${file}. Write one that says \`export default { tools: [...] }\`, or name it with --config.`,
    );
  }
  const { default: exported } = await load(file, full);
  const config: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  if (typeof config !== 'object' || config === null) {
    throw new UsageError(
      `${file} must export by default the options of a Troupe, as \`export default { tools: [...] }\`, or a Troupe.`,
    );
  }
  if (config instanceof Troupe) return { troupe: config, run: {} };
  const { run = {}, ...options } = config as TroupeConfig;
  return { troupe: new Troupe(options), run };
}

async function load(file: string, full: string): Promise<{ readonly default?: unknown }> {
  try {
    return (await import(pathToFileURL(full).href)) as { default?: unknown };
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new UsageError(`${file} is of a kind this Node does not load: write the config in JavaScript.`);
    }
    // Node tells the place of a syntax error only where nobody catches it.
    throw new UsageError(`${file} could not be loaded: ${String(error)}\n\`node ${file}\` shows where.`);
  }
}
