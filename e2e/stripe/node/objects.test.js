// Customers and the catalog, paging, expanding and searching.

import assert from "node:assert/strict";
import { test } from "node:test";

import { testOfTheSchema, startTwin } from "../lib/twin.js";

const shop = await startTwin();

test("a customer is created, changed, read and deleted", async () => {
  const { customers } = shop.stripe;

  const ada = await customers.create({ name: "Ada", email: "ada@lovelace.example", metadata: { a: "1", b: "2" } });
  const changed = await customers.update(ada.id, { name: "", metadata: { a: "", c: "3" } });
  const deleted = await customers.del(ada.id);
  const read = await customers.retrieve(ada.id);

  assert.equal(ada.object, "customer");
  assert.equal(ada.livemode, false);
  assert.equal(changed.name, null);
  assert.deepEqual(changed.metadata, { b: "2", c: "3" });
  assert.deepEqual({ ...deleted }, { id: ada.id, object: "customer", deleted: true });
  assert.equal(read.deleted, true);
});

testOfTheSchema(shop);
