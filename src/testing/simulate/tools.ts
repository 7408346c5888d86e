import * as z from 'zod';
import { BundleTool, type ReplicateDraw } from '../../core/bundle-tool.js';
import { orThrow } from '../../core/output.js';
import { Tool, toolResult, type AnyTool, type ToolContext } from '../../core/tool.js';
import type { JsonObject } from '../../core/json.js';
import { FAILURES, wishOf } from './behaviour.js';
import type { CallRecord } from './calls.js';
import type { SimulatedProcess } from './process.js';
import { factsOf, TOOLS, type ToolName } from './setting.js';

/** What tools tell of their calls, as they go. */
export interface Watch {
  /** A tool is called. Undefined: its process is gone, or the simulation is over. */
  begun(
    process: SimulatedProcess,
    tool: ToolName,
    request: unknown,
    context: ToolContext,
  ): CallRecord | undefined;
  aborted(call: CallRecord): void;
  /** What the tool settled with is about to be seen by Troupe. */
  landed(call: CallRecord): void;
}

/** The tools of one process. */
export function toolsOf(process: SimulatedProcess, watch: Watch): AnyTool[] {
  return (Object.keys(TOOLS) as ToolName[]).map((name) => {
    const { kind, provider, estimate, idempotent, replayable } = factsOf(name);
    const perform = (request: unknown, context: ToolContext) => call(process, name, request, context, watch);
    const fields = {
      name,
      provider,
      idempotent,
      replayable,
      ...(estimate ? { estimate: () => estimate } : {}),
    };
    if (kind === 'bundle') return bundleTool(fields, perform);
    class Simulated extends Tool<unknown, unknown, JsonObject> {
      readonly name = name;
      execute(request: unknown, _options: JsonObject, context: ToolContext): unknown {
        return perform(request, context);
      }
    }
    return Object.assign(new Simulated(), fields);
  });
}

type Perform = (request: unknown, context: ToolContext) => unknown;

function bundleTool(fields: { readonly name: ToolName }, perform: Perform): AnyTool {
  class SimulatedBundle extends BundleTool<unknown, string> {
    readonly name = fields.name;
    override replicate(request: unknown, _draw: ReplicateDraw, context: ToolContext) {
      return perform(request, context) as Promise<string>;
    }
  }
  const output = fields.name === 'jury' ? { output: z.enum(['yes', 'no']) } : {};
  return Object.assign(new SimulatedBundle(), fields, output);
}

function call(
  process: SimulatedProcess,
  name: ToolName,
  request: unknown,
  context: ToolContext,
  watch: Watch,
): unknown {
  const record = watch.begun(process, name, request, context);
  if (record === undefined) return new Promise(() => {});
  const { behaviour, signal } = record;
  signal.addEventListener('abort', () => watch.aborted(record), { once: true });
  for (let index = 0; index < behaviour.deltas; index++) context.emit({ type: 'delta', text: `${index} ` });
  if (behaviour.charge) charge(record, context);
  if (behaviour.afterMs === undefined && behaviour.does !== 'hang' && !signal.aborted) {
    end(record, context, behaviour.does);
    watch.landed(record);
    return settle(record);
  }
  const settled = live(record, process, context);
  // As many turns of the microtask queue as Troupe takes, and right before it: what happens in between is seen alike.
  const hop = () => {};
  void settled.then(hop, hop).then(() => watch.landed(record));
  return settled;
}

function charge(record: CallRecord, context: ToolContext): void {
  const { totalTokens = 0, costUsd = 0 } = record.behaviour.charge!;
  record.charged = { tokens: totalTokens, costUsd };
  context.budget.charge({ totalTokens, costUsd });
}

function end(record: CallRecord, context: ToolContext, how: CallRecord['end'] | 'answer' | 'fail'): void {
  record.end = how === 'answer' ? 'answered' : how === 'fail' ? 'failed' : how;
  record.endedAt = context.clock.now();
}

/** What the call gives or throws. */
function settle(record: CallRecord, error?: unknown): unknown {
  const { behaviour, facts, number } = record;
  const { usage } = behaviour;
  if (record.end === 'nested_error') throw error;
  if (record.end === 'stopped') {
    if (behaviour.whenAborted !== 'report') throw record.signal.reason;
    record.reported = usage ?? { totalTokens: 7, costUsd: 0.001 };
    throw Object.assign(new Error('It was stopped, and says what it cost.'), { usage: record.reported });
  }
  record.reported = usage;
  const spent = usage ? { usage } : {};
  if (record.end === 'failed') throw Object.assign(failureOf(record), spent);
  if (record.end === 'bad_output') return toolResult({ content: 1n as unknown, ...spent });
  const content = facts.kind === 'bundle' ? behaviour.vote : { call: number, vote: behaviour.vote };
  return usage ? toolResult({ content: content as unknown, usage }) : content;
}

function failureOf({ behaviour }: CallRecord): Error {
  const { failure } = behaviour;
  const kind = FAILURES[failure];
  if ('bug' in kind) return new TypeError('Cannot read properties of undefined');
  const retryAfterMs = wishOf(behaviour);
  const wish = retryAfterMs === undefined ? {} : { retryAfterMs };
  const { counts: _counts, precedes: _precedes, ...fields } = kind;
  return Object.assign(new Error(`it is ${failure}`), fields, wish);
}

/** A call that takes time. */
function live(record: CallRecord, process: SimulatedProcess, context: ToolContext): Promise<unknown> {
  const { behaviour, signal, facts } = record;
  const { clock } = context;
  return new Promise((resolve, reject) => {
    let timer: unknown;
    const finish = (how: Parameters<typeof end>[2], error?: unknown) => {
      if (record.end !== undefined) return;
      clock.clearTimeout(timer);
      end(record, context, how);
      try {
        resolve(settle(record, error));
      } catch (thrown) {
        reject(thrown as Error);
      }
    };
    const stop = () => {
      const { whenAborted, reactsAfterMs } = behaviour;
      if (whenAborted === 'ignore') return;
      const react = () => finish(whenAborted === 'answer' ? 'answer' : 'stopped');
      if (reactsAfterMs === 0) react();
      else clock.setTimeout(react, reactsAfterMs);
    };
    const work = () => {
      if (behaviour.does === 'hang') return;
      const { does } = behaviour;
      timer = clock.setTimeout(() => finish(does), behaviour.afterMs ?? 1);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    if (facts.kind !== 'nesting') return work();
    nest(record, process, context).then(work, (error) => finish('nested_error', error));
  });
}

/** Runs other tools inside the call. */
async function nest(record: CallRecord, process: SimulatedProcess, context: ToolContext): Promise<void> {
  const { tools, isParallel, letsThrough, timeoutMs } = record.behaviour.nested;
  const one = async (name: ToolName, index: number) => {
    const options = timeoutMs === undefined ? {} : { options: { timeoutMs } };
    record.hasNested = true;
    record.waitsForNested += 1;
    try {
      const request = { outer: record.number, index };
      const output = await context.run({ tool: process.tools.get(name)!, request, ...options });
      if (letsThrough) orThrow(output);
    } catch (error) {
      if (letsThrough) throw error;
    } finally {
      record.waitsForNested -= 1;
    }
  };
  if (isParallel) {
    const ends = await Promise.allSettled(tools.map(one));
    const failed = ends.find((ended) => ended.status === 'rejected');
    if (failed) throw failed.reason;
    return;
  }
  for (const [index, name] of tools.entries()) await one(name, index);
}
