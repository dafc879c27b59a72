// The check of every answer finds what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";

import { faultsOfAnswer, faultsOfDelivery } from "../lib/schema.js";

const COUPON = {
  id: "25OFF",
  object: "coupon",
  amount_off: null,
  created: 1_767_225_600,
  currency: null,
  duration: "once",
  duration_in_months: null,
  livemode: false,
  max_redemptions: null,
  metadata: { object: "not a kind" },
  name: null,
  percent_off: 25,
  redeem_by: null,
  times_redeemed: 0,
  valid: true,
};
const LIST = { object: "list", data: [COUPON], has_more: false, url: "/v1/coupons" };
const EVENT = {
  id: "evt_1",
  object: "event",
  api_version: "2026-08-26.dahlia",
  created: 1_767_225_600,
  data: { object: COUPON },
  livemode: false,
  pending_webhooks: 0,
  request: { id: null, idempotency_key: null },
  type: "coupon.created",
};
const ERROR = { error: { type: "invalid_request_error", message: "No such coupon: 'x'", param: "id" } };

test("right answers and events have no faults", () => {
  const deleted = { id: "25OFF", object: "coupon", deleted: true };

  for (const body of [COUPON, LIST, EVENT, ERROR, deleted]) assert.deepEqual(faultsOfAnswer(body), []);
  assert.deepEqual(faultsOfDelivery(JSON.stringify(EVENT)), []);
});

test("wrong answers and events have faults", () => {
  const lacking = { ...COUPON };
  delete lacking.valid;
  const broken = [
    [[COUPON], /JSON object/],
    [{ id: "25OFF" }, /names its kind/],
    [{ ...COUPON, object: "voucher" }, /no voucher/],
    [lacking, /valid/],
    [{ ...COUPON, duration: "always" }, /duration/],
    [{ ...COUPON, times_redeemed: 0.5 }, /times_redeemed/],
    [{ ...COUPON, colour: "red" }, /`colour`/],
    [{ ...LIST, data: [{ ...COUPON, duration: "always" }] }, /\/data\/0 .*duration/],
    [{ ...LIST, url: "coupons" }, /path/],
    [{ ...LIST, has_more: undefined }, /has_more/],
    [{ ...EVENT, data: { object: lacking } }, /\/data\/object .*valid/],
    [{ ...EVENT, data: { object: COUPON, previous_attributes: { colour: "blue" } } }, /`colour`/],
    [{ error: { ...ERROR.error, code: null } }, /code/],
    [{ error: { type: "invalid_request_error" } }, /no message/],
    [{ error: { ...ERROR.error, type: "bad_request" } }, /type/],
  ];
  for (const [body, expected] of broken) {
    const faults = faultsOfAnswer(body);
    assert.ok(faults.length > 0 && faults.every((fault) => expected.test(fault)), JSON.stringify(faults));
  }
  assert.match(faultsOfDelivery(JSON.stringify(COUPON))[0], /is an event/);
  assert.match(faultsOfDelivery("{")[0], /not JSON/);
});
