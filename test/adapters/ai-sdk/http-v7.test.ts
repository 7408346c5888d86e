import { vi } from 'vitest';
import { worksOverHttp } from './over-http.js';

// The door's `ai` is version 7 in this file; the provider is one for 6, which 7 takes too.
vi.mock('ai', () => import('ai-v7'));

worksOverHttp();
