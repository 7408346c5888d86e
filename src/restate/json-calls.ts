import {
  serde,
  type GenericCall,
  type GenericSend,
  type InvocationPromise,
  type Serde,
} from '@restatedev/restate-sdk';
import type { JournalContext } from './journal.js';

/** Calls a handler of another invocation: both ways as JSON. */
export function callJson<I, O>(context: JournalContext, call: GenericCall<I, O>): InvocationPromise<O> {
  return context.genericCall<I, O>({
    ...call,
    inputSerde: serde.json as Serde<I>,
    outputSerde: serde.json as Serde<O>,
  });
}

/** Tells another invocation something, as JSON, and waits for nothing. */
export function sendJson<I>(context: JournalContext, send: GenericSend<I>): void {
  context.genericSend<I>({ ...send, inputSerde: serde.json as Serde<I> });
}
