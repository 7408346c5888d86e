import * as z from 'zod';

const whole = z.coerce.number().int().min(1);

const schema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: z.string().min(1),
  /** Callers and their keys: `ann:secret1,bob:secret2`. */
  API_KEYS: z.string().regex(/^[^:,]+:[^:,]+(,[^:,]+:[^:,]+)*$/, 'must be as "ann:secret1,bob:secret2"'),
  MODEL_URL: z.url().default('https://api.openai.com/v1'),
  MODEL_KEY: z.string().optional(),
  MODEL: z.string().default('gpt-5-mini'),
  /** Dollars per million tokens, in and out. */
  PRICE_IN: z.coerce.number().min(0).default(0.25),
  PRICE_OUT: z.coerce.number().min(0).default(2),
  /** What one run may cost, in dollars, and take, in milliseconds. */
  RUN_COST_USD: z.coerce.number().min(0).default(0.05),
  RUN_TIMEOUT_MS: whole.default(60_000),
  MAX_RUNS: whole.default(2000),
  MAX_RUNS_PER_CALLER: whole.default(1500),
  /** Calls of the model at a time, and how many may wait for one. */
  MODEL_CALLS: whole.default(500),
  MODEL_QUEUE: whole.default(5000),
  LEASE_MS: whole.default(60_000),
  /** Where traces go, as `http://localhost:4318`; without it there are none. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  /** How long the runs in flight have to end after SIGTERM, in milliseconds. */
  GRACE_MS: whole.default(20_000),
});

/**
 * What the environment says, checked once.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function readSettings(env) {
  const result = schema.safeParse(env);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
  throw new Error(`The environment is not usable:\n${problems.join('\n')}\nREADME.md says what is needed.`);
}
