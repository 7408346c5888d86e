import * as z from 'zod';
import { defineTool, type DefinedTool, type JsonValue, type StandardSchema } from '../../index.js';
import { Asker, providerNameOf, type AskerOptions } from './asker.js';
import {
  checkOptions,
  commonShape,
  type CommonOptions,
  type EstimateFunction,
  type NoPrompting,
  type Prompting,
} from './options.js';
import { modelRequest, type ModelRequest } from './prompt.js';
import { settingsShape, type ModelSettings } from './settings.js';

type OutputOf<S> = S extends StandardSchema<any, infer Out> ? Out : never;

/** The content of an answer: the text, or what the schema gives. */
export type AnswerOf<Form extends StandardSchema<any, any>> = StandardSchema extends Form
  ? string
  : OutputOf<Form>;

/** What a model tool is made from, where its requests have the default forms. */
export interface ModelToolOptions<
  Name extends string,
  Form extends StandardSchema<any, any>,
  Req = ModelRequest,
> extends CommonOptions<Name> {
  /**
   * Asks for an object: a Standard Schema that also gives JSON Schema (zod, arktype, valibot with its wrapper). The model is
   * told it, and the answer is held against it; one that does not fit fails as `invalid_output`.
   */
  readonly schema?: Form;
  /**
   * An answer that was cut off at `maxOutputTokens`: 'error' fails with the code `length`; 'return' gives the text there is,
   * with a warning and `metadata.tool.finishReason`. Default 'error'.
   */
  readonly onLength?: 'error' | 'return';
  /**
   * What a call reserves. Default: the bytes of the prompt, the instructions and the schema by 3, and a tenth more, 16 a
   * message, 1500 an image or file, and `maxOutputTokens`, or 4096 without it; dollars by `prices`.
   */
  readonly estimate?: EstimateFunction<Req>;
}

/** A model tool in the default forms of request. */
export type ModelTool<Name extends string, Answer> = DefinedTool<
  Name,
  StandardSchema<ModelRequest, ModelRequest>,
  ModelRequest,
  Answer,
  ModelSettings
>;

const schema = z.strictObject(commonShape);

/**
 * A tool that asks a language model of the AI SDK: for a text, or with `schema` for an object. A request is a text,
 * `{ query }` or `{ messages }`; with `prompt`, whatever that makes a prompt of. A run's `toolOptions` are
 * {@link ModelSettings}. Where the run streams, so does the model, and each piece of text is a `delta`.
 *
 * @throws {InvalidOptionsError} for an unknown or unusable option.
 */
export function modelTool<
  const Name extends string,
  In extends StandardSchema<any, any> = StandardSchema,
  Form extends StandardSchema<any, any> = StandardSchema,
  Req = StandardSchema extends In ? JsonValue : OutputOf<In>,
>(
  options: ModelToolOptions<Name, Form, Req> & Prompting<In, Req>,
): DefinedTool<Name, In, Req, AnswerOf<Form>, ModelSettings>;
export function modelTool<const Name extends string, Form extends StandardSchema<any, any> = StandardSchema>(
  options: ModelToolOptions<Name, Form> & NoPrompting,
): ModelTool<Name, AnswerOf<Form>>;
export function modelTool(options: CommonOptions<string> & AskerOptions & Described): unknown {
  checkOptions(schema, options, 'modelTool');
  const asker = new Asker(options, settingsIn(options));
  return defineTool({
    ...describedBy(options),
    estimate: (request, given) => asker.estimate(request, given),
    execute: (request, given, context) => asker.ask(request, given, context),
  });
}

interface Described {
  readonly input?: StandardSchema<any, any> | undefined;
}

/** The fields of a tool in the options of a model. */
export function describedBy(options: CommonOptions<string> & AskerOptions & Described) {
  const { name, version, description, capabilities, model, schema, idempotent, replayable } = options;
  const { provider = providerNameOf(model), prompt, input = prompt ? undefined : modelRequest } = options;
  const fields = { name, version, description, capabilities, provider, input, idempotent, replayable };
  return { ...fields, output: schema } as { name: string };
}

/** The settings among the options. */
export function settingsIn(options: ModelSettings): ModelSettings {
  const given = Object.entries(options).filter(
    ([name, value]) => Object.hasOwn(settingsShape, name) && value !== undefined,
  );
  return Object.fromEntries(given);
}
