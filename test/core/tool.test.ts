import { describe, expect, it } from 'vitest';
import {
  defineTool,
  isTool,
  isToolResult,
  providerOf,
  Tool,
  toolResult,
  ToolResult,
  type ToolContext,
} from '../../src/core/tool.js';

class Own extends Tool {
  readonly name = 'own';
  execute() {
    return 1;
  }
}
const context = {} as ToolContext;
const none = {} as never;

describe('what is a tool', () => {
  it('is an instance, also of another copy of the package', () => {
    expect(isTool(new Own())).toBe(true);
    expect(isTool(defineTool({ name: 'a', execute: () => 1 }))).toBe(true);
    expect(isTool({ [Symbol.for('troupe.tool')]: true })).toBe(true);
  });

  it.each([[null], [undefined], ['text'], [{}], [{ name: 'a', execute: () => 1 }], [Own]])(
    '%s is none',
    (value) => {
      expect(isTool(value)).toBe(false);
    },
  );

  it('a mark that says something else is none', () => {
    expect(isTool({ [Symbol.for('troupe.tool')]: 'yes' })).toBe(false);
    expect(isToolResult({ [Symbol.for('troupe.toolResult')]: 'yes' })).toBe(false);
  });
});

describe('a tool result', () => {
  it('holds what it was made of', () => {
    const usage = { inputTokens: 1 };
    const result = toolResult({ content: 'a', usage, metadata: { b: 1 } });
    expect(result).toBeInstanceOf(ToolResult);
    expect({ ...result }).toEqual({ content: 'a', usage, metadata: { b: 1 } });
    expect({ ...toolResult({ content: null }) }).toEqual({
      content: null,
      usage: undefined,
      metadata: undefined,
    });
  });

  it('is known by its mark, and nothing else is one', () => {
    expect(isToolResult(toolResult({ content: 1 }))).toBe(true);
    expect(isToolResult({ [Symbol.for('troupe.toolResult')]: true })).toBe(true);
    for (const other of [null, undefined, 'text', {}, { content: 1 }])
      expect(isToolResult(other)).toBe(false);
  });
});

describe('a defined tool', () => {
  it('has the fields that were given, and no others', () => {
    const fields = {
      name: 'a',
      version: '2.0.0',
      description: 'd',
      capabilities: ['c'],
      provider: 'p',
      idempotent: false,
      replayable: true,
      defaultOptions: { x: 1 },
    } as const;
    expect({ ...defineTool({ ...fields, execute: () => 1 }) }).toEqual(fields);
    const bare = defineTool({ name: 'a', version: undefined as never, execute: () => 1 });
    expect(Object.keys(bare)).toEqual(['name']);
  });

  it('calls what it was given with its definition as `this`', () => {
    const seen: unknown[] = [];
    const definition = {
      name: 'a' as const,
      estimate(this: unknown, ...args: unknown[]) {
        seen.push(['estimate', this, ...args]);
        return { tokens: 5 };
      },
      execute(this: unknown, ...args: unknown[]) {
        seen.push(['execute', this, ...args]);
        return 'answer';
      },
    };
    const tool = defineTool(definition);
    expect(tool.estimate!('q' as never, none)).toEqual({ tokens: 5 });
    expect(tool.execute('q' as never, none, context)).toBe('answer');
    expect(seen).toEqual([
      ['estimate', definition, 'q', none],
      ['execute', definition, 'q', none, context],
    ]);
  });

  it('has no estimate where none was given', () => {
    expect(defineTool({ name: 'a', execute: () => 1 }).estimate).toBeUndefined();
  });
});

describe('the provider of a tool', () => {
  it('is its own, or its name', () => {
    expect(providerOf(defineTool({ name: 'a', provider: 'p', execute: () => 1 }))).toBe('p');
    expect(providerOf(new Own())).toBe('own');
  });
});
