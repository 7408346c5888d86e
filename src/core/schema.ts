import { describeError } from './errors.js';
import { isThenable, type Awaitable } from './ports.js';

/** The part of the Standard Schema interface (standardschema.dev, version 1) that Troupe uses. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What the schema's validation accepts. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];
/** What the schema's validation gives. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return typeof standard === 'object' && standard !== null && typeof standard.validate === 'function';
}

const NO_RESULT = 'the schema gave no result of the Standard Schema kind';

/** More are left out. */
const MAX_PROBLEMS = 50;

export type Checked =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      /** The first of them, in one line. */
      readonly problem: string;
      readonly problems: readonly string[];
    };

/** Validates against a schema, if there is one. A schema that throws has found a problem. */
export function checkSchema(schema: StandardSchema | undefined, value: unknown): Awaitable<Checked> {
  if (schema === undefined) return { ok: true, value };
  try {
    const result = schema['~standard'].validate(value);
    return isThenable(result) ? result.then(readResult, readThrown) : readResult(result);
  } catch (error) {
    return readThrown(error);
  }
}

function readResult(result: SchemaResult<unknown>): Checked {
  try {
    if (typeof result !== 'object' || result === null) return refused([NO_RESULT]);
    if (result.issues === undefined) return { ok: true, value: result.value };
    const problems = result.issues.slice(0, MAX_PROBLEMS).map(describeIssue);
    return problems.length === 0 ? refused(['is not valid']) : refused(problems);
  } catch {
    return refused([NO_RESULT]);
  }
}

function readThrown(error: unknown): Checked {
  return refused([`the schema threw: ${describeError(error)}`]);
}

function refused(problems: readonly string[]): Checked {
  return { ok: false, problem: problems.slice(0, 5).join('; '), problems };
}

function describeIssue(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
