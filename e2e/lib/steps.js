// A story in steps that depend on each other: after a failed step the rest are skipped. The pages of a
// step must not have faults.

import assert from "node:assert/strict";
import { test } from "node:test";

/** Defines a step: `step(name, act, who)`; `who` and `demo` are functions, called when the step runs. */
export function steps(demo, visitor) {
  let hasFailed;
  return (name, act, who = visitor) => {
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
