import { generateText, stepCountIs } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { holdsWith } from './both-majors.js';

holdsWith('ai 6', { MockModel: MockLanguageModelV3 as never, generateText, stepCountIs });
