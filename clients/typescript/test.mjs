// Run by the server's tests against a running service: BILLING_URL, BILLING_KEY (500 credits), and
// FLAKY_URL, whose first two answers are 503 and whose /api/pricing never gets better.
import assert from 'node:assert/strict';
import { Billing, BillingError } from './index.js';

const billing = new Billing(process.env.BILLING_URL, process.env.BILLING_KEY);
const before = (await billing.balance()).available;

const held = await billing.authorize('ts-1', { credits: 10 });
assert.equal(held.ok, true);
const again = await billing.authorize('ts-1', { credits: 10 });
assert.equal(again.value.id, held.value.id, 'one key is one hold');
const settled = await billing.capture(held.value.id, { credits: 4.5 });
assert.deepEqual([settled.captured, settled.released], [4.5, 5.5]);
assert.equal((await billing.hold(held.value.id)).charged, 4.5);

const other = await billing.authorize('ts-2', { credits: 3 });
assert.equal((await billing.release(other.value.id)).state, 'released');
const charged = await billing.debit('ts-3', { operation: 'call', units: 2 });
assert.equal((await billing.debit('ts-3', { operation: 'call', units: 2 })).value.id, charged.value.id);
const batch = await billing.debitBatch({ debits: [{ key: 'ts-4', credits: 1 }] });
assert.equal(batch.results[0].status, 201);

const refused = await billing.debit('ts-5', { credits: 1_000_000 });
assert.equal(refused.ok, false);
assert.equal(refused.refusal.code, 'insufficient_credits');
assert.match(refused.refusal.topUpUrl, /account=acc_/);
assert.equal(refused.refusal.needed, 1_000_000);

await assert.rejects(billing.debit('ts-6', { credits: -1 }), (error) => {
  assert.ok(error instanceof BillingError);
  assert.deepEqual([error.status, error.code, error.field], [400, 'invalid_field', 'credits']);
  assert.match(error.requestId, /^req_/);
  return true;
});
await assert.rejects(new Billing(process.env.BILLING_URL, 'lbx_test_wrong').balance(), { status: 401 });
assert.equal((await billing.access({ operation: 'call', units: 1 })).allowed, true);
assert.ok((await billing.pricing()).plans.length > 0);
assert.equal((await billing.balance()).available, before - 4.5 - charged.value.credits - 1);

const flaky = new Billing(process.env.FLAKY_URL, 'lbx_test_any');
assert.equal((await flaky.balance()).available, 7, 'the third try is answered');
await assert.rejects(flaky.pricing(), { status: 503 });
await assert.rejects(new Billing('http://127.0.0.1:9', 'k', { tries: 2 }).balance(), { code: 'no_answer' });
