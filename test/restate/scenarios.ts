import { z } from 'zod';
import { Troupe, type TroupeOptions } from '../../src/index.js';
import {
  badOutput,
  charges,
  emits,
  fail,
  hang,
  ignoreAbort,
  ok,
  rateLimited,
  scriptedBundle,
  scriptedTool,
  throws,
  timesOut,
} from '../../src/testing/index.js';

export const quick = { initialDelayMs: 10, jitter: 'none' } as const;
export const usage = (totalTokens: number, costUsd = 0) => ({
  totalTokens,
  inputTokens: totalTokens,
  outputTokens: 0,
  costUsd,
});

export interface Scenario {
  readonly make: () => TroupeOptions<any>;
  readonly args: object | readonly object[];
  readonly reliable?: boolean;
  /** Between one run and the next. */
  readonly pauseMs?: number;
}

export const named = (toolName: string, more: object = {}) => ({ toolName, request: { q: 1 }, ...more });

/** A server remembers providers from one run to the next: each scenario has its own. */
export function troupeOf(name: string, options: TroupeOptions<any>): Troupe<any> {
  for (const tool of options.tools ?? []) Object.assign(tool, { provider: `${name}/${tool.name}` });
  return new Troupe(options);
}

/** The same script in this process and on Restate. */
export const scenarios: Record<string, Scenario> = {
  'one answer': {
    make: () => ({ tools: [scriptedTool('t', [ok({ a: 1 }, usage(7, 0.5))])] }),
    args: named('t'),
  },
  'one call, without retries': {
    make: () => ({ tools: [scriptedTool('t', [fail(503), ok()])] }),
    args: named('t'),
    reliable: false,
  },
  'a text for a request': {
    make: () => ({ tools: [scriptedTool('t', [(call) => call.request])] }),
    args: { toolName: 't', request: 'hello' },
  },
  'options of the caller': {
    make: () => ({
      tools: [scriptedTool('t', [(call) => call.options], { defaultOptions: { a: 1, b: 1 } })],
    }),
    args: named('t', { toolOptions: { b: 2 }, options: { metadata: { who: 'me' } } }),
  },
  'retries that help': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503), fail(500), ok('at last', usage(3))])],
      reliability: quick,
    }),
    args: named('t'),
  },
  'retries that do not': {
    make: () => ({ tools: [scriptedTool('t', [fail(503)])], reliability: { ...quick, maxRetries: 2 } }),
    args: named('t'),
  },
  'a failure that no retry helps': {
    make: () => ({ tools: [scriptedTool('t', [fail(401)])], reliability: quick }),
    args: named('t'),
  },
  'Retry-After': {
    make: () => ({
      tools: [scriptedTool('t', [rateLimited({ retryAfterMs: 60 }), ok()])],
      reliability: quick,
    }),
    args: named('t'),
  },
  'a Retry-After that is too long': {
    make: () => ({ tools: [scriptedTool('t', [rateLimited({ retryAfterMs: 90_000 })])], reliability: quick }),
    args: named('t'),
  },
  'an attempt that takes too long': {
    make: () => ({ tools: [scriptedTool('t', [hang(), ok('second')])], reliability: quick }),
    args: named('t', { options: { attemptTimeoutMs: 80 } }),
  },
  'attempts that take too long, and open the breaker': {
    make: () => ({
      tools: [scriptedTool('t', [hang()])],
      reliability: { ...quick, maxRetries: 3, breaker: { failures: 2, openMs: 60_000 } },
    }),
    args: named('t', { options: { attemptTimeoutMs: 80 } }),
  },
  'a tool that ignores its signal': {
    make: () => ({ tools: [scriptedTool('t', [ignoreAbort()])], reliability: quick }),
    args: named('t', { options: { timeoutMs: 100, abortGraceMs: 50 } }),
  },
  'a deadline': {
    make: () => ({ tools: [scriptedTool('t', [hang()])] }),
    args: named('t', { options: { timeoutMs: 80 } }),
  },
  'a deadline, returned': {
    make: () => ({ tools: [scriptedTool('t', [hang()])] }),
    args: named('t', { options: { timeoutMs: 80, onLimit: 'return' } }),
  },
  'giving up before the deadline': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503)])],
      reliability: { ...quick, initialDelayMs: 5000 },
    }),
    args: named('t', { options: { timeoutMs: 1500 } }),
  },
  'falling over': {
    make: () => ({
      tools: [scriptedTool('a', [fail(401)]), scriptedTool('b', [ok('from b', usage(2))])],
      reliability: quick,
    }),
    args: named('a', { options: { fallback: ['b'] } }),
  },
  'every tool fails': {
    make: () => ({
      tools: [scriptedTool('a', [fail(401)]), scriptedTool('b', [fail(400)])],
      reliability: quick,
    }),
    args: named('a', { options: { fallback: ['b'] } }),
  },
  'a breaker that opens': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503)])],
      reliability: { ...quick, maxRetries: 1, breaker: { failures: 2, openMs: 60_000 } },
    }),
    args: [named('t'), named('t')],
  },
  'a breaker that closes again': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503), fail(503), ok(1), ok(2), ok(3)])],
      reliability: { ...quick, maxRetries: 1, breaker: { failures: 2, openMs: 100 } },
    }),
    pauseMs: 200,
    args: [named('t'), named('t'), named('t'), named('t')],
  },
  'waiting for a breaker': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503), fail(503), ok('after the rest')])],
      reliability: { ...quick, maxRetries: 1, onOpen: 'wait', breaker: { failures: 2, openMs: 300 } },
    }),
    args: [named('t'), named('t')],
  },
  'a retry budget that is spent': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503)])],
      reliability: { ...quick, maxRetries: 9, breaker: false, retryBudget: { tokens: 4, ratio: 0.1 } },
    }),
    args: named('t'),
  },
  'a budget that suffices': {
    make: () => ({ tools: [scriptedTool('t', [ok('x', usage(40))], { estimate: () => ({ tokens: 50 }) })] }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'a budget that does not': {
    make: () => ({ tools: [scriptedTool('t', [ok('x', usage(40))], { estimate: () => ({ tokens: 150 }) })] }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'a budget spent by retries': {
    make: () => ({
      tools: [
        scriptedTool('t', [fail(503, { usage: usage(60) }), ok('x', usage(60))], {
          estimate: () => ({ tokens: 60 }),
        }),
      ],
      reliability: quick,
    }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'charges beyond the budget': {
    make: () => ({
      tools: [scriptedTool('t', [charges(usage(150), hang())], { estimate: () => ({ tokens: 50 }) })],
    }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'charges and a result': {
    make: () => ({ tools: [scriptedTool('t', [charges(usage(30), ok('x', usage(50)))])] }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'a budget warning': {
    make: () => ({ tools: [scriptedTool('t', [ok('x', usage(90))], { estimate: () => ({ tokens: 90 }) })] }),
    args: named('t', { options: { budget: { tokens: 100 } } }),
  },
  'events of a tool': {
    make: () => ({
      tools: [
        scriptedTool('t', [
          emits([{ type: 'progress', done: 1 } as any, { type: 'warning', message: 'mind' } as any], ok()),
        ]),
      ],
    }),
    args: named('t'),
  },
  'an answer that is no JSON': {
    make: () => ({ tools: [scriptedTool('t', [badOutput(usage(5))])] }),
    args: named('t'),
  },
  'a request the tool refuses': {
    make: () => ({ tools: [scriptedTool('t', [ok()], { input: z.object({ name: z.string() }) as any })] }),
    args: named('t'),
  },
  'an answer the schema refuses': {
    make: () => ({
      tools: [scriptedTool('t', [ok({ n: 'x' })], { output: z.object({ n: z.number() }) as any })],
    }),
    args: named('t'),
  },
  'a tool that throws no error': {
    make: () => ({ tools: [scriptedTool('t', [throws('just a text')])] }),
    args: named('t'),
  },
  'a time limit of the tool': {
    make: () => ({ tools: [scriptedTool('t', [timesOut(), ok()])], reliability: quick }),
    args: named('t'),
  },
  'a verdict of the user': {
    make: () => ({
      tools: [scriptedTool('t', [throws(Object.assign(new Error('odd'), { kind: 'mine' })), ok()])],
      reliability: { ...quick, classify: (error: any) => (error.kind === 'mine' ? 'server' : undefined) },
    }),
    args: named('t'),
  },
  'a callback that throws': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503), ok()])],
      reliability: {
        ...quick,
        classify: () => {
          throw new Error('no idea');
        },
      },
    }),
    args: named('t'),
  },
  'a tool that is not idempotent': {
    make: () => ({
      tools: [scriptedTool('t', [fail(503), ok()], { idempotent: false })],
      reliability: quick,
    }),
    args: named('t'),
  },
  'a hedge': {
    make: () => ({
      tools: [scriptedTool('t', [hang(), ok('second')])],
      reliability: { ...quick, hedgeAfterMs: 60 },
    }),
    args: named('t'),
  },
  'no such tool': { make: () => ({ tools: [] }), args: named('t') },
  'wrong options': {
    make: () => ({ tools: [scriptedTool('t')] }),
    args: named('t', { options: { timeoutMs: -1 } }),
  },
  'a planned tool': {
    make: () => ({
      tools: [
        scriptedTool('a', [ok()], { capabilities: ['x'] }),
        scriptedTool('b', [ok('b')], { capabilities: ['y'] }),
      ],
    }),
    args: { request: { type: 'y' } },
  },
  'nothing fits': {
    make: () => ({ tools: [scriptedTool('a', [ok()], { capabilities: ['x'] })] }),
    args: { request: { type: 'z' } },
  },
  'a bundle that agrees': {
    make: () => ({ tools: [scriptedBundle('v', [ok({ a: 1 }, usage(3))])] }),
    args: named('v', { toolOptions: { k: 5 } }),
  },
  'a bundle that does not': {
    make: () => ({ tools: [scriptedBundle('v', [ok('a'), ok('b'), ok('a'), ok('c'), ok('a')])] }),
    args: named('v', { toolOptions: { k: 5, stopping: 'fixed' } }),
  },
  'a bundle whose replicates retry and fail': {
    make: () => ({
      tools: [scriptedBundle('v', [[fail(503), ok('a')], fail(401), ok('a'), ok('b')])],
      reliability: quick,
    }),
    args: named('v', { toolOptions: { k: 4, stopping: 'fixed' } }),
  },
  'a bundle without an answer': {
    make: () => ({
      tools: [scriptedBundle('v', [fail(401)]), scriptedTool('t', [ok('instead')])],
      reliability: quick,
    }),
    args: named('v', { toolOptions: { k: 3 }, options: { fallback: ['t'] } }),
  },
  'a bundle with answers that are not valid': {
    make: () => ({
      tools: [
        scriptedBundle('v', [ok({ n: 1 }), ok({ n: 'x' }), ok({ n: 1 })], {
          output: z.object({ n: z.number() }) as any,
        }),
      ],
    }),
    args: named('v', { toolOptions: { k: 3, stopping: 'fixed' } }),
  },
  'a bundle and a deadline': {
    make: () => ({ tools: [scriptedBundle('v', [ok('a'), ok('a'), hang()])] }),
    args: named('v', { toolOptions: { k: 3, stopping: 'fixed' }, options: { timeoutMs: 1500 } }),
  },
  'a bundle with a limit for each': {
    make: () => ({ tools: [scriptedBundle('v', [ok('a'), hang(), ok('a')])] }),
    args: named('v', { toolOptions: { k: 3, stopping: 'fixed', replicateTimeoutMs: 400 } }),
  },
  'a bundle, one after the other, within a budget': {
    make: () => ({
      tools: [scriptedBundle('v', [ok('a', usage(30))], { estimate: () => ({ tokens: 30 }) } as any)],
    }),
    args: named('v', {
      toolOptions: { k: 3, stopping: 'fixed', maxParallel: 1 },
      options: { budget: { tokens: 100 } },
    }),
  },
  'a bundle that its budget does not cover': {
    make: () => ({
      tools: [scriptedBundle('v', [ok('a', usage(60))], { estimate: () => ({ tokens: 60 }) } as any)],
    }),
    args: named('v', {
      toolOptions: { k: 3, stopping: 'fixed', maxParallel: 1 },
      options: { budget: { tokens: 100 } },
    }),
  },
  'a bundle with a budget for each': {
    make: () => ({
      tools: [scriptedBundle('v', [ok('a', usage(10))], { estimate: () => ({ tokens: 10 }) } as any)],
    }),
    args: named('v', { toolOptions: { k: 2, stopping: 'fixed', perReplicateBudget: { tokens: 5 } } }),
  },
};
