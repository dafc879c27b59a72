/** The service said no: not enough credits, a limit, or debt. Nothing was charged. */
export interface Refusal {
  /** `insufficient_credits`, `plan_limit`, `spend_limit` or `debt`. */
  code: string;
  /** What happened, in a sentence for people. */
  detail: string;
  /** Which limit refused. */
  limit: string;
  /** What the call would have cost, in credits. */
  needed: number;
  /** What may be spent. */
  available: number;
  /** Where the account buys credits. */
  topUpUrl: string;
  /** Where the account changes its plan. */
  upgradeUrl: string;
  /** Quote it when you ask for help. */
  requestId: string;
}

/** A call that may be refused: look at `ok` first. */
export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** Bounds of a call. */
export interface Options {
  /** Tries in all, for want of an answer, 429 and 503; 3 without. */
  tries?: number;
  /** Longest a try may take; 10,000 without. */
  timeoutMs?: number;
  /** Longest pause between tries; 5,000 without. */
  pauseMs?: number;
}

/** An answer that is neither good nor a refusal, or none: `status` is 0. */
export class BillingError extends Error {
  status: number;
  /** Stable; see the reference. */
  code: string;
  /** The field of the input that is wrong, if one is. */
  field?: string;
  requestId?: string;
}
