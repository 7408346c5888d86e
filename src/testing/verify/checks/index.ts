import type { Check } from '../check.js';
import { abortAfter, abortBefore, abortDuring, deadline } from './abort.js';
import { aftermath } from './aftermath.js';
import { answer } from './answer.js';
import { crowd, eventLoop } from './crowd.js';
import { events } from './events.js';
import { providerCut, providerNonsense, providerSlow } from './provider-answers.js';
import { provider401, provider429, provider500 } from './provider-refusals.js';
import { providerSilent } from './provider-silence.js';
import { request } from './request.js';
import { sameKey } from './same-key.js';
import { usage } from './usage.js';

/** All checks, in the order they are made. */
export const CHECKS: readonly Check[] = [
  answer,
  usage,
  request,
  events,
  abortBefore,
  abortDuring,
  abortAfter,
  deadline,
  sameKey,
  eventLoop,
  crowd,
  aftermath,
  provider429,
  provider500,
  provider401,
  providerCut,
  providerNonsense,
  providerSilent,
  providerSlow,
];
