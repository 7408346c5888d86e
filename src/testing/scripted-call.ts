import * as z from 'zod';
import type { BundleTool } from '../core/bundle-tool.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import { callback, parseOptions } from '../core/parse.js';
import type { Clock } from '../core/ports.js';
import type { Tool, ToolContext } from '../core/tool.js';

/** How a scripted tool behaves in one call: what it returns or throws is the call's answer. */
export type ScriptStep = (call: ScriptedCall) => unknown;

/** One call of a scripted tool, what it saw and how it ended. */
export interface ScriptedCall {
  readonly request: JsonValue;
  readonly options: JsonObject;
  readonly context: ToolContext;
  /** From 1, over all runs; in a bundle from 1 for each replicate. */
  readonly number: number;
  readonly clock: Clock;
  /** When it was made, in epoch milliseconds on its clock. */
  readonly startedAt: number;
  /** When it answered or threw; undefined while it goes on. */
  readonly settledAt: number | undefined;
  readonly outcome: 'running' | 'answered' | 'threw';
  /** Whether its signal was aborted, before or after it had settled. */
  readonly aborted: boolean;
}

/** Keeps what a call saw and how it ended. */
export class CallRecord implements ScriptedCall {
  readonly startedAt: number;
  settledAt: number | undefined;
  outcome: ScriptedCall['outcome'] = 'running';

  constructor(
    readonly request: JsonValue,
    readonly options: JsonObject,
    readonly context: ToolContext,
    readonly number: number,
    readonly clock: Clock,
  ) {
    this.startedAt = clock.now();
  }

  get aborted(): boolean {
    return this.context.signal.aborted;
  }

  /** Does what a step says, and gives back what it gives. */
  follow(step: (call: this) => unknown): unknown {
    try {
      const answer = step(this);
      if (answer instanceof Promise) answer.then(this.settle('answered'), this.settle('threw'));
      else this.settle('answered')();
      return answer;
    } catch (error) {
      this.settle('threw')();
      throw error;
    }
  }

  private settle(outcome: 'answered' | 'threw'): () => void {
    return () => {
      this.outcome = outcome;
      this.settledAt = this.clock.now();
    };
  }
}

/** The step of the n-th call: the last one is repeated. */
export function stepAt<Step>(script: readonly Step[], number: number): Step | undefined {
  return script[Math.min(number, script.length) - 1];
}

const TOOL_FIELDS = [
  'version',
  'description',
  'capabilities',
  'provider',
  'input',
  'output',
  'idempotent',
  'replayable',
  'defaultOptions',
  'estimate',
] as const;
const BUNDLE_FIELDS = ['schemas', 'equivalent', 'shouldStop', 'embed', 'calibrate'] as const;

/** Fields of the tool, and what it waits by. */
export type ScriptedOptions = Partial<Pick<Tool, (typeof TOOL_FIELDS)[number]>> & WithClock;

/** Fields of the bundle tool, and what it waits by. */
export type ScriptedBundleOptions = Partial<
  Pick<BundleTool, (typeof TOOL_FIELDS)[number] | (typeof BUNDLE_FIELDS)[number]>
> &
  WithClock;

interface WithClock {
  /** Default: the clock of the Troupe that calls it. */
  clock?: Clock;
}

/** @throws {InvalidOptionsError} for an unknown option; what the fields hold is checked when the tool is registered. */
export const parseFields = fieldParser([...TOOL_FIELDS, 'clock']);
export const parseBundleFields = fieldParser([...TOOL_FIELDS, ...BUNDLE_FIELDS, 'clock']);

function fieldParser(names: readonly string[]): <T extends object>(fields: T) => T {
  const schema = z.strictObject(Object.fromEntries(names.map((name) => [name, z.unknown().optional()])));
  return (fields) => parseOptions(schema, fields, 'options') as typeof fields;
}

/** @throws {InvalidOptionsError} when it is no list of functions, or, for a bundle, of lists of them. */
export function parseScript<Script extends readonly unknown[]>(script: Script, isNested = false): Script {
  const step = isNested ? z.union([callback, z.array(callback)]) : callback;
  return parseOptions(z.array(step), script, 'script') as readonly unknown[] as Script;
}
