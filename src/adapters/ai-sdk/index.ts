/** The door `troupe/ai-sdk`. */
export { modelTool } from './model-tool.js';
export type { AnswerOf, ModelTool, ModelToolOptions } from './model-tool.js';
export { modelBundle } from './model-bundle.js';
export type { ModelBundle, ModelBundleOptions } from './model-bundle.js';
export { asAiTool } from './as-ai-tool.js';
export type { AiToolOptions, NamedAiToolOptions } from './as-ai-tool.js';
export { ModelError, type ModelErrorCode } from './model-error.js';
export type { CommonOptions, EstimateFunction, NoPrompting, Prompting } from './options.js';
export type { ModelPrices, PricedCall, Prices } from './prices.js';
export type { ModelPrompt, ModelRequest } from './prompt.js';
export type { ModelSettings } from './settings.js';
export type { Tokens } from './tokens.js';
