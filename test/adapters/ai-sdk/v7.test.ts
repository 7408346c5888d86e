import { generateText, stepCountIs } from 'ai';
import * as seven from 'ai-v7';
import { MockLanguageModelV3, MockLanguageModelV4 } from 'ai-v7/test';
import { expect, it, vi } from 'vitest';
import { holdsWith } from './both-majors.js';

// The door's `ai` is version 7 in this file.
vi.mock('ai', () => import('ai-v7'));

it('the door has version 7', () => {
  expect(generateText).toBe(seven.generateText);
});

holdsWith('ai 7', { MockModel: MockLanguageModelV4 as never, generateText, stepCountIs });
holdsWith('ai 7 and a model made for 6', {
  MockModel: MockLanguageModelV3 as never,
  generateText,
  stepCountIs,
});
