// Validates what the twin says against the schema that Stripe publishes.

import { readFile } from "node:fs/promises";
import Ajv from "ajv/dist/2020.js";

const PROBLEMS_SHOWN_MAX = 5;

/** Fields that Stripe answers and does not describe. */
const UNDESCRIBED = { product: ["type"] };

const schema = JSON.parse(
  await readFile(new URL("../../../crates/twin/data/schema.json", import.meta.url), "utf8"),
);
const definitions = schema.$defs;
// The description requires it, but recorded answers of Stripe lack it.
definitions.invoice.required = definitions.invoice.required.filter(
  (name) => name !== "amount_paid_off_stripe",
);

const ajv = new Ajv({
  allErrors: true,
  strict: false,
  validateFormats: false,
  validateSchema: false,
  code: { optimize: false },
});
ajv.addSchema(schema, "stripe");

/** The faults of an answer of the API: of its own object, and of each object inside it. */
export function faultsOfAnswer(body) {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return [`an answer is a JSON object, not ${JSON.stringify(body)}`];
  }
  if ("error" in body) return [...faultsAs("error", body), ...faultsOfError(body.error)];
  if (typeof body.object !== "string") return ["an answer names its kind as `object`"];
  return faultsOf(body);
}

/** The faults of the body of a webhook. */
export function faultsOfDelivery(text) {
  try {
    const event = JSON.parse(text);
    return event.object === "event" ? faultsOf(event) : ["what is delivered is an event"];
  } catch {
    return [`what is delivered is not JSON: ${text.slice(0, 200)}`];
  }
}

/** The faults of every object with a kind in a value. */
function faultsOf(value, at = "") {
  if (Array.isArray(value)) return value.flatMap((one, index) => faultsOf(one, `${at}/${index}`));
  if (typeof value !== "object" || value === null) return [];
  const own = typeof value.object === "string" ? faultsOfObject(value, at) : [];
  const inside = Object.entries(value).filter(([name]) => name !== "metadata");
  return [...own, ...inside.flatMap(([name, one]) => faultsOf(one, `${at}/${name}`))];
}

function faultsOfObject(value, at) {
  const kind = value.object;
  if (kind === "list" || kind === "search_result") return faultsOfList(value, at);
  const name = value.deleted === true ? `deleted_${kind}` : kind;
  const where = `${at || "/"} (${name} ${value.id ?? ""})`;
  if (name in definitions) {
    const unknown = Object.keys(value).filter((field) => !isKnown(name, field));
    return [
      ...faultsAs(name, value).map((fault) => `${where}: ${fault}`),
      ...unknown.map((field) => `${where}: Stripe's ${name} has no \`${field}\``),
      ...(kind === "event" ? faultsOfEvent(value, where) : []),
    ];
  }
  // Stripe describes neither a deleted coupon nor a deleted invoice item.
  const fields = Object.keys(value).sort().join();
  if (value.deleted === true && fields === "deleted,id,object") return [];
  return [`${where}: Stripe's schema has no ${name}`];
}

function isKnown(name, field) {
  const { properties, anyOf = [] } = definitions[name];
  if (definitions[name]["x-stub"] || UNDESCRIBED[name]?.includes(field)) return true;
  return properties ? field in properties : anyOf.some(({ $ref }) => isKnown($ref.slice(8), field));
}

function faultsOfList(value, at) {
  const faults = [];
  if (!Array.isArray(value.data)) faults.push("a list has `data`");
  if (typeof value.has_more !== "boolean") faults.push("a list has `has_more`");
  if (typeof value.url !== "string" || !value.url.startsWith("/v1/")) {
    faults.push(`the \`url\` of a list is a path, not ${value.url}`);
  }
  return faults.map((fault) => `${at || "/"}: ${fault}`);
}

function faultsOfEvent(event, where) {
  const previous = Object.keys(event.data?.previous_attributes ?? {});
  const known = definitions[event.data?.object?.object]?.properties ?? {};
  return previous
    .filter((field) => !(field in known))
    .map((field) => `${where}: previous_attributes has \`${field}\`, which its object has not`);
}

/** Errors leave out what is null, and say something. */
function faultsOfError(error) {
  const nulls = Object.entries(error).filter(([, value]) => value === null);
  const faults = nulls.map(([name]) => `error: \`${name}\` is null instead of left out`);
  if (!error.message) faults.push("error: there is no message");
  return faults;
}

function faultsAs(name, value) {
  const validate = ajv.getSchema(`stripe#/$defs/${name}`);
  if (validate(value)) return [];
  const problems = validate.errors.map(({ instancePath, message, params }) => {
    return `${instancePath} ${message} ${JSON.stringify(params)}`;
  });
  return problems.slice(0, PROBLEMS_SHOWN_MAX);
}
