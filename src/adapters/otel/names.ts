/**
 * Names of the OpenTelemetry semantic conventions for generative AI, version 1.41.0 (all of them in development), and
 * names of ours under `troupe.`. Version 1.41.0 is the last of the core repository; since then the conventions live in
 * `open-telemetry/semantic-conventions-genai`, whose 0.1.0 says `gen_ai.agent.name` where these say
 * `gen_ai.workflow.name`: a run has both.
 */
export const SCOPE = 'troupe';
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.41.0';

export const OPERATION = 'gen_ai.operation.name';
export const INVOKE_WORKFLOW = 'invoke_workflow';
export const EXECUTE_TOOL = 'execute_tool';
export const WORKFLOW_NAME = 'gen_ai.workflow.name';
export const AGENT_NAME = 'gen_ai.agent.name';
export const TOOL_NAME = 'gen_ai.tool.name';
export const INPUT_TOKENS = 'gen_ai.usage.input_tokens';
export const OUTPUT_TOKENS = 'gen_ai.usage.output_tokens';
export const TOKEN_TYPE = 'gen_ai.token.type';
/** Content: only with `content: true`. */
export const INPUT_MESSAGES = 'gen_ai.input.messages';
export const OUTPUT_MESSAGES = 'gen_ai.output.messages';
export const TOOL_ARGUMENTS = 'gen_ai.tool.call.arguments';
export const TOOL_RESULT = 'gen_ai.tool.call.result';

export const ERROR_TYPE = 'error.type';
export const HTTP_STATUS = 'http.response.status_code';

export const RUN_ID = 'troupe.run.id';
export const REQUEST_ID = 'troupe.request.id';
/** Where the run's `traceId` is not the trace id of its span. */
export const TRACE_ID = 'troupe.trace_id';
export const STATUS = 'troupe.status';
export const STRATEGY = 'troupe.strategy';
export const PLAN = 'troupe.plan';
export const ANSWERED_BY = 'troupe.answered_by';
export const ATTEMPTS = 'troupe.attempts';
export const COST = 'troupe.cost_usd';
export const ESTIMATED = 'troupe.usage.estimated';
export const REPLAYED = 'troupe.replayed';
export const ORIGINAL_TRACE_ID = 'troupe.replayed.trace_id';
export const COALESCED = 'troupe.coalesced';
export const LIMIT_TOKENS = 'troupe.budget.limit_tokens';
export const LIMIT_COST = 'troupe.budget.limit_cost_usd';
export const SPENT_TOKENS = 'troupe.budget.spent_tokens';
export const SPENT_COST = 'troupe.budget.spent_cost_usd';
export const BUDGET_RESOURCE = 'troupe.budget.resource';
export const BUDGET_LIMIT = 'troupe.budget.limit';
export const BUDGET_SPENT = 'troupe.budget.spent';
export const PROVIDER = 'troupe.provider';
export const BREAKER_STATE = 'troupe.breaker.state';
export const BREAKER_FROM = 'troupe.breaker.from';
export const BREAKER_TO = 'troupe.breaker.to';
export const BREAKER_REASON = 'troupe.breaker.reason';
export const STEP_INDEX = 'troupe.step.index';
export const STEP_NAME = 'troupe.step.name';
export const REPLICATE_ID = 'troupe.replicate.id';
export const REPLICATE_INDEX = 'troupe.replicate.index';
export const REPLICATE_SEED = 'troupe.replicate.seed';
export const ATTEMPT = 'troupe.attempt';
export const HEDGE = 'troupe.hedge';
export const DELAY_MS = 'troupe.delay_ms';
export const RETRY_AFTER_MS = 'troupe.retry_after_ms';
export const FALLBACK_FROM = 'troupe.fallback.from';
export const FALLBACK_TO = 'troupe.fallback.to';
export const WARNING_CODE = 'troupe.warning.code';
export const BUNDLE_K = 'troupe.bundle.k';
export const BUNDLE_ISSUED = 'troupe.bundle.issued';
export const BUNDLE_VALID = 'troupe.bundle.valid';
export const BUNDLE_STOP_REASON = 'troupe.bundle.stop_reason';

/** Metrics. */
export const OPERATION_DURATION = 'gen_ai.client.operation.duration';
export const TOKEN_USAGE = 'gen_ai.client.token.usage';
export const RUNS = 'troupe.runs';
export const RUNS_ACTIVE = 'troupe.runs.active';
export const RETRIES = 'troupe.retries';
export const FALLBACKS = 'troupe.fallbacks';
export const COST_USD = 'troupe.cost';
export const BREAKER_TRANSITIONS = 'troupe.breaker.transitions';
export const POOL_ACTIVE = 'troupe.pool.active';
export const POOL_WAITING = 'troupe.pool.waiting';
