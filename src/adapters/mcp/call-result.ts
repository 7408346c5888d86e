import type { JsonValue } from '../../index.js';

/** The part of MCP's `CallToolResult` that counts here. */
export interface McpToolResult {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly _meta?: Record<string, unknown>;
}

/** Structured content, else the text, else the content blocks as they are; null for none. */
export function contentOf({ content, structuredContent }: McpToolResult): JsonValue {
  if (structuredContent !== undefined) return structuredContent as JsonValue;
  if (content.length === 0) return null;
  return content.every(isText) ? textOf(content) : (content as unknown as JsonValue);
}

/** All text of it, a line each. */
export function textOf(content: McpToolResult['content']): string {
  return content
    .filter(isText)
    .map((block) => block.text)
    .join('\n');
}

function isText(block: McpToolResult['content'][number]): boolean {
  return block.type === 'text';
}
