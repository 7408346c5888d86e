import type { StandardSchema } from '../../index.js';
import { clip } from './options.js';
import type { ClientPeer } from './peers.js';

/** A larger one is not compiled: that would hold up everything else for too long. */
const MAX_CHARACTERS = 256 * 1024;

/**
 * A JSON Schema of the server as a Standard Schema. Undefined, with a warning, when it cannot be compiled: then what it
 * is for goes unchecked. References are resolved inside the schema only; none is fetched.
 */
export function compileSchema(
  schema: object,
  peer: Pick<ClientPeer, 'fromJsonSchema' | 'AjvJsonSchemaValidator'>,
  warn: (problem: string) => void,
): StandardSchema<any, any> | undefined {
  try {
    const { length } = JSON.stringify(schema);
    if (length > MAX_CHARACTERS) throw new Error(`it is ${length} characters long`);
    // A validator of its own: it would remember every `$id`, and take the schema of another tool for this one.
    const compiled = peer.fromJsonSchema(schema as never, new peer.AjvJsonSchemaValidator());
    return { '~standard': { version: 1, vendor: 'mcp', validate: compiled['~standard'].validate } } as never;
  } catch (error) {
    warn(clip(error instanceof Error ? error.message : String(error), 300));
    return undefined;
  }
}
