import type { StandardSchema } from '../../core/schema.js';

type Result = Awaited<ReturnType<StandardSchema['~standard']['validate']>>;

/** A schema that takes its time: what it says of an answer is said when it is told to. */
export class HeldSchema implements StandardSchema {
  private waiting: ((isValid: boolean) => void)[] = [];
  isHolding = false;

  readonly '~standard' = {
    version: 1,
    vendor: 'troupe',
    validate: (value: unknown) => (this.isHolding ? this.hold(value) : { value }),
  } as const;

  /** Says it of the answer it was asked about last. */
  answer(isValid: boolean): void {
    this.waiting.pop()?.(isValid);
  }

  private hold(value: unknown): Promise<Result> {
    return new Promise((resolve) => {
      const issues = [{ message: 'is not what the path wants' }];
      this.waiting.push((isValid) => resolve(isValid ? { value } : { issues }));
    });
  }
}
