// A story in steps that build on each other: after one that fails the rest is skipped. Everything on
// the pages of a step must be in order, too.

import assert from "node:assert/strict";
import { test } from "node:test";

/** What tells a step: `step(name, act, who)`; `who` and `demo` are asked when the step begins. */
export function steps(demo, somebody) {
  let hasFailed;
  return (name, act, who = somebody) => {
    test(name, async (context) => {
      if (hasFailed) return context.skip("an earlier step failed");
      hasFailed = true;
      let person;
      try {
        person = await who();
        await act(person);
      } catch (error) {
        if (person) context.diagnostic(`Picture: ${await person.photograph(name)}`);
        context.diagnostic(`Log: ${demo().log().slice(-2000)}`);
        throw error;
      }
      hasFailed = false;
      assert.deepEqual(person.faults(), [], "every page is accessible, fits, and is quiet");
    });
  };
}
