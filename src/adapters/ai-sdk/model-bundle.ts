import * as z from 'zod';
import {
  BundleTool,
  checkBundleOptions,
  type BundleOptions,
  type JsonObject,
  type JsonValue,
  type ReplicateDraw,
  type StandardSchema,
  type ToolContext,
  type ToolResult,
} from '../../index.js';
import { Asker, type AskerOptions } from './asker.js';
import { describedBy, settingsIn, type AnswerOf, type ModelToolOptions } from './model-tool.js';
import {
  checkOptions,
  commonShape,
  type CommonOptions,
  type NoPrompting,
  type Prompting,
} from './options.js';
import type { ModelRequest } from './prompt.js';

/** What a model bundle is made from: a {@link modelTool}'s options, a bundle's, and a bundle's functions. */
export interface ModelBundleOptions<
  Name extends string,
  Form extends StandardSchema<any, any>,
  Req = ModelRequest,
>
  extends Omit<ModelToolOptions<Name, Form, Req>, 'seed' | 'temperature' | 'onLength'>, BundleOptions {
  /** Whether each replicate's seed is passed to the model. Default true; false for models that know no seed. */
  readonly passSeed?: boolean;
  /** For all replicates, or for each by itself. At 0 answers are no independent draws, and the bundle says so. */
  readonly temperature?: number | ((draw: ReplicateDraw) => number);
  /** Whether two answers mean the same. Default: equality of their normal forms. */
  readonly equivalent?: BundleTool<Req, AnswerOf<Form>>['equivalent'];
  /** A stopping rule in the place of the `stopping` option. */
  readonly shouldStop?: BundleTool<Req, AnswerOf<Form>>['shouldStop'];
  readonly embed?: BundleTool<Req, AnswerOf<Form>>['embed'];
  readonly calibrate?: BundleTool<Req, AnswerOf<Form>>['calibrate'];
  readonly schemas?: Readonly<Record<string, StandardSchema | JsonObject>>;
}

type WithInput<Name extends string, In> = { readonly name: Name } & (StandardSchema extends In
  ? { readonly input?: undefined }
  : { readonly input: In });

/** A bundle tool with its name known to the compiler. */
export type ModelBundle<Name extends string, Req, Answer, In = StandardSchema> = Omit<
  BundleTool<Req, Answer>,
  'name' | 'input'
> &
  WithInput<Name, In>;

const callback = commonShape.prompt;
const BUNDLE_OPTIONS = Object.keys({
  k: true,
  epsilon: true,
  maxParallel: true,
  schemaUri: true,
  seeds: true,
  stopping: true,
  window: true,
  stopOn: true,
  speculate: true,
  tolerance: true,
  sets: true,
  replicateTimeoutMs: true,
  perReplicateBudget: true,
  bundleLimits: true,
} satisfies Record<keyof BundleOptions, true>) as (keyof BundleOptions)[];

const { seed: _seed, temperature, onLength: _onLength, ...shape } = commonShape;
const schema = z.strictObject({
  ...shape,
  ...Object.fromEntries(BUNDLE_OPTIONS.map((name) => [name, z.unknown().optional()])),
  passSeed: z.boolean().optional(),
  temperature: z.union([temperature, callback]),
  equivalent: callback,
  shouldStop: callback,
  embed: callback,
  calibrate: callback,
  schemas: z.record(z.string(), z.unknown()).optional(),
});

/**
 * A bundle tool that asks a language model the same k times, and gives what the answers support. Each replicate has a seed of its
 * own. All that {@link modelTool} does holds for each of them.
 *
 * @throws {InvalidOptionsError} for an unknown or unusable option.
 */
export function modelBundle<
  const Name extends string,
  In extends StandardSchema<any, any> = StandardSchema,
  Form extends StandardSchema<any, any> = StandardSchema,
  Req = StandardSchema extends In ? JsonValue : In extends StandardSchema<any, infer Out> ? Out : never,
>(
  options: ModelBundleOptions<Name, Form, Req> & Prompting<In, Req>,
): ModelBundle<Name, Req, AnswerOf<Form>, In>;
export function modelBundle<
  const Name extends string,
  Form extends StandardSchema<any, any> = StandardSchema,
>(
  options: ModelBundleOptions<Name, Form> & NoPrompting,
): ModelBundle<Name, ModelRequest, AnswerOf<Form>, StandardSchema<ModelRequest, ModelRequest>>;
export function modelBundle(options: AnyOptions): unknown {
  checkOptions(schema, options, 'modelBundle');
  checkBundleOptions(bundleOptionsOf(options), 'modelBundle');
  return new AskingBundle(options);
}

type AnyOptions = Omit<CommonOptions<string>, 'temperature' | 'seed'> &
  AskerOptions &
  BundleOptions &
  Pick<
    ModelBundleOptions<string, StandardSchema>,
    'temperature' | 'passSeed' | (typeof FUNCTIONS)[number]
  > & {
    readonly input?: StandardSchema<any, any>;
  };

const FUNCTIONS = ['equivalent', 'shouldStop', 'embed', 'calibrate', 'schemas'] as const;

class AskingBundle extends BundleTool<any, any> {
  override readonly name: string;
  readonly #asker: Asker;
  readonly #passSeed: boolean;
  readonly #temperature: AnyOptions['temperature'];

  constructor(options: AnyOptions) {
    super();
    this.name = options.name;
    this.#asker = new Asker(options, settingsIn(withoutTemperature(options)));
    this.#passSeed = options.passSeed ?? true;
    this.#temperature = options.temperature;
    const functions = FUNCTIONS.map((name) => [name, options[name]]);
    const fields = {
      ...describedBy(withoutTemperature(options)),
      ...Object.fromEntries(functions),
      defaultOptions: bundleOptionsOf(options),
    };
    for (const [field, value] of Object.entries(fields)) {
      if (value !== undefined) Object.defineProperty(this, field, { value, enumerable: true });
    }
  }

  override estimate(request: unknown) {
    return this.#asker.estimate(request, {});
  }

  override replicate(request: unknown, draw: ReplicateDraw, context: ToolContext): Promise<ToolResult<any>> {
    const temperature = this.#temperature;
    const drawn = typeof temperature === 'function' ? temperature(draw) : temperature;
    return this.#asker.ask(
      request,
      {
        ...(this.#passSeed ? { seed: draw.seed } : {}),
        ...(drawn === undefined ? {} : { temperature: drawn }),
      },
      context,
    );
  }
}

function withoutTemperature(options: AnyOptions) {
  const { temperature: _temperature, ...rest } = options;
  return rest;
}

function bundleOptionsOf(options: AnyOptions): BundleOptions {
  const given = BUNDLE_OPTIONS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}
