// Written by bin/clients from /openapi.json. Do not edit.

/** What an account may do now. */
export interface Access {
  /** The tier that counts for what the account may do. */
  accessTier: string;
  /** Whether the call would be admitted now. */
  allowed: boolean;
  /** What may be spent. */
  available: number;
  /** Calls the plan allows in its period; none without a limit. */
  callsLimit?: number | null;
  /** Calls made in it. */
  callsThisPeriod: number;
  /** What the call would cost. */
  cost: number;
  /** When the period ends. */
  periodEnd: string;
  /** Why not: `account_not_active`, `debt`, `plan_limit`, `spend_limit` or `insufficient_credits`. */
  reason?: string | null;
  /** `ACTIVE`, `PAST_DUE`, `NONE` and the like. */
  status: string;
  /** The tier of the subscription, or the one that was set over it. */
  tier: string;
  /** Where to buy credits. */
  topUpUrl: string;
  /** Where to change the plan. */
  upgradeUrl: string;
}

/** Credits of an account. */
export interface Balance {
  /** What may be spent now. */
  available: number;
  /** All credits, less the debt. */
  balance: number;
  /** What a reversed payment could not take back. */
  debt: number;
  /** Grants with credits left, in the order they are spent. */
  grants: Array<BalanceGrant>;
  /** Set aside by holds. */
  held: number;
  /** When a credit last moved. */
  updatedAt: string;
}

/** One grant with credits left. */
export interface BalanceGrant {
  /** When it ends. */
  expiresAt?: string | null;
  /** `grant_...` */
  id: string;
  /** What the credits are. */
  kind: string;
  /** What is left of it. */
  remaining: number;
}

/** What became of each debit, in the order they were sent. */
export interface Batch {
  results: Array<BatchResult>;
}

/** A debit that was charged. */
export interface BatchCharged {
  /** What may be spent after it. */
  available: number;
  /** What was charged. */
  credits: number;
  /** `deb_...`: its place in the account's journal, and the beginning of that entry's hash. */
  id: string;
  /** The operation that priced it. */
  operation?: string | null;
  /** Units of it. */
  units?: number | null;
  /** The debit's key. */
  key: string;
  /** Whether this repeats an earlier answer. */
  replayed: boolean;
  /** 201. */
  status: number;
}

/** The answer a debit would have had alone, with its status. */
export type BatchResult = BatchCharged | Record<string, unknown>;

/** A charged call. */
export interface Debit {
  /** What may be spent after it. */
  available: number;
  /** What was charged. */
  credits: number;
  /** `deb_...`: its place in the account's journal, and the beginning of that entry's hash. */
  id: string;
  /** The operation that priced it. */
  operation?: string | null;
  /** Units of it. */
  units?: number | null;
}

/** Credits set aside. */
export interface Hold {
  /** What may be spent besides. */
  available: number;
  /** What is set aside. */
  credits: number;
  /** When it expires. */
  expiresAt: string;
  /** `hold_...` */
  id: string;
  /** `pending` */
  state: string;
}

/** Debits to charge together. One that is refused does not stop the others. */
export interface NewBatch {
  /** At most 1,000, each with its `key`. */
  debits: Array<NewDebit>;
}

/** What the call cost in the end: `credits`, or `units` of the hold's operation; all of the hold without either. Zero equals a release. */
export interface NewCapture {
  /** The account; only checked where it is named, since the hold says whose it is. */
  account?: string | null;
  /** Credits, with at most six decimals. */
  credits?: number | null;
  /** Units of the hold's operation, at the price of the hold's time. */
  units?: number | null;
}

/** What to charge: `credits`, or `units` of an `operation`; one `call` without either. */
export interface NewDebit {
  /** The account, by our id or the host application's. A server key must name it. */
  account?: string | null;
  /** Credits, with at most six decimals. */
  credits?: number | null;
  /** The caller's name for what it meters. */
  endpoint?: string | null;
  /** In a batch: the debit's own idempotency key. */
  key?: string | null;
  /** An operation of the catalog. */
  operation?: string | null;
  /** Units of it; 1 without. */
  units?: number | null;
}

/** What to set aside: `credits`, or `units` of an `operation`; one `call` without either. */
export interface NewHold {
  /** The account, by our id or the host application's. A server key must name it. */
  account?: string | null;
  /** Credits, with at most six decimals. */
  credits?: number | null;
  /** The caller's name for what it meters. */
  endpoint?: string | null;
  /** An operation of the catalog. */
  operation?: string | null;
  /** Seconds until the hold expires: 1 to 86,400; 120 without. */
  ttlSeconds?: number | null;
  /** Units of it; 1 without. */
  units?: number | null;
}

/** All about a hold. */
export interface Receipt {
  /** When it was authorized. */
  authorizedAt: string;
  /** Charged, the difference above the hold included. */
  charged: number;
  /** The caller's name for what it meters. */
  endpoint?: string | null;
  /** When it expires. */
  expiresAt: string;
  /** Set aside. */
  held: number;
  /** The hold. */
  id: string;
  /** Whether it was captured after its time had run out. */
  isLate: boolean;
  key?: ReceiptKey | null;
  /** The grants it was pinned to and charged to. */
  lots: Array<ReceiptLot>;
  /** The operation that priced it. */
  operation?: string | null;
  /** Version of the catalog that priced it. */
  rateCardVersion?: number | null;
  /** When it was settled. */
  resolvedAt?: string | null;
  /** Given back out of the hold. */
  returned: number;
  /** `pending`, `captured`, `released` or `expired`. */
  state: string;
  /** Asked for and not collected. */
  uncollected: number;
  /** Units of it. */
  units?: number | null;
}

/** The key that made a call. */
export interface ReceiptKey {
  /** `key_...` */
  id: string;
  /** What its owner calls it. */
  name: string;
}

/** One grant's part in a hold. */
export interface ReceiptLot {
  /** Charged in the end. */
  charged: number;
  /** `grant_...` */
  grant: string;
  /** Pinned by the hold. */
  held: number;
  /** What its credits are. */
  kind: string;
}

/** What became of a hold. */
export interface Settled {
  /** What may be spent now. */
  available: number;
  /** Everything charged, the difference above the hold included. */
  captured: number;
  /** The hold. */
  id: string;
  /** Given back out of the hold. */
  released: number;
  /** `captured` or `released`. */
  state: string;
  /** Asked for and not collected. */
  uncollected: number;
}

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
  /** Sets credits aside for a call */
  authorize(idempotencyKey: string, body: NewHold): Promise<Result<Hold>>;
  /** Charges a hold */
  capture(id: string, body?: NewCapture, query?: { account?: string }): Promise<Settled>;
  /** Gives a hold's credits back */
  release(id: string, query?: { account?: string }): Promise<Settled>;
  /** The receipt of a hold: what was set aside and charged, out of which grants, at which price */
  hold(id: string, query?: { account?: string }): Promise<Receipt>;
  /** Charges a call */
  debit(idempotencyKey: string, body: NewDebit): Promise<Result<Debit>>;
  /** Charges up to 1,000 calls, each under its own key */
  debitBatch(body: NewBatch): Promise<Batch>;
  /** The credits of an account now */
  balance(query?: { account?: string }): Promise<Balance>;
  /** What an account may do now, and why not more */
  access(query?: { account?: string; operation?: string; units?: number }): Promise<Access>;
  /** What is sold */
  pricing(): Promise<Record<string, unknown>>;
}
