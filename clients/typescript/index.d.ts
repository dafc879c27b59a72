// Written by bin/clients from /openapi.json. Do not edit.

/** Whether an account can make a call now, and why not. */
export interface Access {
  /** The tier that determines what the account may do. */
  accessTier: string;
  /** Whether the call would be admitted now. */
  allowed: boolean;
  /** The credits available to spend now. */
  available: number;
  /** The number of calls that the plan allows in each period, or null if there is no limit. */
  callsLimit?: number | null;
  /** The number of calls made in the current period. */
  callsThisPeriod: number;
  /** The number of credits that the call would cost. */
  cost: number;
  /** The time at which the calls are counted from zero again (RFC 3339, UTC). */
  periodEnd: string;
  /** Why the call would be refused: `account_not_active`, `debt`, `plan_limit`, `spend_limit` or `insufficient_credits`. Null if it would be admitted. */
  reason?: string | null;
  /** The status of the subscription: `NONE`, `INCOMPLETE`, `TRIALING`, `ACTIVE`, `PAST_DUE`, `UNPAID`, `PAUSED` or `CANCELED`. */
  status: string;
  /** The tier of the account's subscription, or the tier that overrides it. */
  tier: string;
  /** The URL of the page for buying credits. */
  topUpUrl: string;
  /** The URL of the page for changing the plan. */
  upgradeUrl: string;
}

/** An account's credits. */
export interface Balance {
  /** The credits available to spend now. */
  available: number;
  /** All credits, minus the debt. */
  balance: number;
  /** The credits owed, because a payment was reversed after its credits had been spent. */
  debt: number;
  /** The grants with credits left, in the order in which they are spent. */
  grants: Array<BalanceGrant>;
  /** The credits set aside by holds. */
  held: number;
  /** The time at which the account's credits last changed (RFC 3339, UTC). */
  updatedAt: string;
}

/** A grant with credits left. */
export interface BalanceGrant {
  /** The time at which unspent credits expire (RFC 3339, UTC), or null for never. */
  expiresAt?: string | null;
  /** The id of the grant (`grant_...`). */
  id: string;
  /** The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or `reinstatement`. */
  kind: string;
  /** The number of credits left, including those held. */
  remaining: number;
}

/** The results of a batch of debits. */
export interface Batch {
  /** One result for each debit, in the order in which they were sent. */
  results: Array<BatchResult>;
}

/** A debit of a batch that was charged. */
export interface BatchCharged {
  /** The credits available to spend after the debit. */
  available: number;
  /** The number of credits charged. */
  credits: number;
  /** The id of the debit (`deb_...`), made of its position in the account's journal and the start of the entry's hash. */
  id: string;
  /** The operation that determined the price, or null if the request named `credits`. */
  operation?: string | null;
  units?: Units | null;
  /** The idempotency key of the debit. */
  key: string;
  /** Whether this is the response to an earlier request with the same key. */
  replayed: boolean;
  /** The HTTP status: always 201. */
  status: number;
}

/** The result of one debit: what a single debit would have returned, with its status. */
export type BatchResult = BatchCharged | Record<string, unknown>;

/** A call that was charged. */
export interface Debit {
  /** The credits available to spend after the debit. */
  available: number;
  /** The number of credits charged. */
  credits: number;
  /** The id of the debit (`deb_...`), made of its position in the account's journal and the start of the entry's hash. */
  id: string;
  /** The operation that determined the price, or null if the request named `credits`. */
  operation?: string | null;
  units?: Units | null;
}

/** Credits that are set aside. */
export interface Hold {
  /** The credits available to spend besides the hold. */
  available: number;
  /** The number of credits set aside. */
  credits: number;
  /** The time at which the hold expires (RFC 3339, UTC). */
  expiresAt: string;
  /** The id of the hold (`hold_...`). */
  id: string;
  /** The state of the hold: `pending`. */
  state: string;
}

/** Debits to charge in one request. If one is refused, the others aren't affected. */
export interface NewBatch {
  /** Up to 1,000 debits, each with its own `key`. */
  debits: Array<NewDebit>;
}

/** The final cost of a call: either `credits`, or `units` of the hold's operation. Without either, the whole hold is captured. Zero releases the hold, unless the operation is free. `credits` are at most a hundred times the hold, or 100 for a hold of less than 1; no capture is above 10^9 credits, unless its hold is. */
export interface NewCapture {
  /** The account of the hold. Optional; if it is sent, it must match the hold's account. */
  account?: string | null;
  /** The number of credits to charge, with at most six decimals. */
  credits?: number | null;
  units?: UnitsUsed | null;
}

/** A charge: either `credits`, or `units` of an `operation`. One of `credits` and `operation` is required; one default call is `{"operation": "call"}`. */
export interface NewDebit {
  /** The account: its `acc_...` id, or the host application's id for it. Required with a server key; a meter key charges its own account. */
  account?: string | null;
  /** The number of credits to charge: a positive number with at most six decimals. It can't be combined with `operation` or `units`. */
  credits?: number | null;
  /** Your name for what is metered, up to 200 characters. */
  endpoint?: string | null;
  /** The idempotency key of a debit in a batch, where it is required. A single debit has its key in the `Idempotency-Key` header instead. */
  key?: string | null;
  /** The name of an operation in the catalog. */
  operation?: string | null;
  units?: UnitsUsed | null;
}

/** The credits to set aside: either `credits`, or estimated `units` of an `operation`. Without any of them, the price of one unit of the operation `call` is set aside. With `max`, as much as there is for an `operation`, up to `credits`. */
export interface NewHold {
  /** The account: its `acc_...` id, or the host application's id for it. Required with a server key; a meter key uses its own account. */
  account?: string | null;
  /** The number of credits to set aside: a positive number with at most six decimals. It can't be combined with `units`, and with `operation` only beside `max`. */
  credits?: number | null;
  /** Your name for what is metered, up to 200 characters. */
  endpoint?: string | null;
  /** Whether to set aside as much as there is: at most `credits`, and at least what one unit of the operation costs (of its dearest meter, if it has several). */
  max?: boolean;
  /** The name of an operation in the catalog. The default is `call`. */
  operation?: string | null;
  /** The number of seconds until the hold expires, from 1 to 86,400. The default is 120. */
  ttlSeconds?: number | null;
  units?: UnitsUsed | null;
}

/** The details of a hold and its charge. */
export interface Receipt {
  /** The time at which the hold was created (RFC 3339, UTC). */
  authorizedAt: string;
  /** The number of credits charged, including any beyond the hold. */
  charged: number;
  chargedUnits?: Units | null;
  /** The caller's name for what was metered, or null if none was given. */
  endpoint?: string | null;
  /** The time at which the hold expires (RFC 3339, UTC). */
  expiresAt: string;
  /** The number of credits set aside. */
  held: number;
  /** The id of the hold (`hold_...`). */
  id: string;
  /** Whether the hold was captured after it had expired. */
  isLate: boolean;
  key?: ReceiptKey | null;
  /** The grants that the credits were held from and charged to. */
  lots: Array<ReceiptLot>;
  /** What each meter of the operation cost a unit, and its units; empty for an operation with one rate. */
  meters: Array<ReceiptMeter>;
  /** The operation that determined the price, or null if the request named `credits`. */
  operation?: string | null;
  /** The version of the catalog that determined the price, or null if it is not known. */
  rateCardVersion?: number | null;
  /** The time at which the hold was captured, released or expired (RFC 3339, UTC), or null while it is pending. */
  resolvedAt?: string | null;
  /** The number of held credits given back. */
  returned: number;
  /** The state of the hold: `pending`, `captured`, `released` or `expired`. */
  state: string;
  /** The number of credits that were requested but couldn't be charged. */
  uncollected: number;
  units?: Units | null;
}

/** The API key that made a call. */
export interface ReceiptKey {
  /** The id of the key (`key_...`). */
  id: string;
  /** The name of the key. */
  name: string;
}

/** One grant's share of a hold. */
export interface ReceiptLot {
  /** The number of credits charged to the grant. */
  charged: number;
  /** The id of the grant (`grant_...`). */
  grant: string;
  /** The number of credits held from the grant. */
  held: number;
  /** The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or `reinstatement`. */
  kind: string;
}

/** One meter of a call. */
export interface ReceiptMeter {
  /** The number of units authorized: the estimate. */
  authorized: Units;
  /** The number of units charged. */
  charged: Units;
  /** The name of the meter. */
  meter: string;
  /** The number of credits that one unit costs. */
  rate: number;
}

/** The result of a capture or a release. */
export interface Settled {
  /** The credits available to spend now. */
  available: number;
  /** The number of credits charged, including any beyond the hold. */
  captured: number;
  /** The id of the hold (`hold_...`). */
  id: string;
  /** The number of held credits given back. */
  released: number;
  /** The state of the hold: `captured` or `released`. */
  state: string;
  /** The number of credits that were requested but couldn't be charged. */
  uncollected: number;
}

/** A number of units, exact to six decimals. For an operation with several meters, the units of each meter by its name. */
export type Units = number | Record<string, number>;

/** What a call used: a number of units of its operation, or those of each of its meters by name. Both have at most six decimals. This is only the schema of what is read as text. */
export type UnitsUsed = number | Record<string, number>;

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

/** The calls; each answers when the service has, or throws a `BillingError`. */
export class Billing {
  constructor(baseUrl: string, key?: string, options?: Options);
  /** Creates a hold, which sets credits aside for a call */
  authorize(idempotencyKey: string, body: NewHold): Promise<Result<Hold>>;
  /** Captures a hold, which charges its credits */
  capture(id: string, body?: NewCapture, query?: { account?: string }): Promise<Settled>;
  /** Releases a hold, which gives its credits back */
  release(id: string, query?: { account?: string }): Promise<Settled>;
  /** Returns the receipt of a hold: the credits set aside and charged, the grants they came from, and the price */
  hold(id: string, query?: { account?: string }): Promise<Receipt>;
  /** Charges a call in one step, without a hold */
  debit(idempotencyKey: string, body: NewDebit): Promise<Result<Debit>>;
  /** Charges up to 1,000 calls in one request */
  debitBatch(body: NewBatch): Promise<Batch>;
  /** Returns an account's credits */
  balance(query?: { account?: string }): Promise<Balance>;
  /** Reports whether a call would be admitted now, and why not */
  access(query?: { account?: string; operation?: string; units?: number | string }): Promise<Access>;
  /** Returns the plans, credit packs and operations on sale */
  pricing(): Promise<Record<string, unknown>>;
}
