import type { TroupeInspector } from './runtime/watch.js';

/** The address of a viewer, as `npx troupe inspect` sets it for the app it runs. */
const VARIABLE = 'TROUPE_INSPECT';

let shared: TroupeInspector | undefined;

/**
 * Undefined: the environment names no viewer. One for all Troupes of the process. Its door is loaded here and now, so that what
 * happens at once is seen too, and only where somebody looks.
 */
export function environmentInspector(): TroupeInspector | undefined {
  const url = globalThis.process?.env[VARIABLE];
  if (url === undefined || url === '') return undefined;
  try {
    return (shared ??= load(url));
  } catch (error) {
    console.warn(`[troupe] ${VARIABLE} is set, but the viewer could not be joined:`, error);
    return undefined;
  }
}

function load(url: string): TroupeInspector {
  const { createRequire } = process.getBuiltinModule('node:module');
  const door = createRequire(import.meta.url)('troupe/inspect') as {
    viewerInspector(options: { url: string }): TroupeInspector;
  };
  return door.viewerInspector({ url });
}
