#!/usr/bin/env node
// Holds recorded GitHub calls against GitHub's published OpenAPI description.
//
//   node github_openapi.mjs RECORD...
//
// A record is what `sandbox --record FILE` writes: one JSON object a line, with `protocol`, `method`,
// `path`, `query`, `headers`, `request_body`, `status` and `response_body`. Lines of other protocols
// are skipped. A call is wrong when the operation is unknown, when a parameter or body member is
// unknown, missing or of the wrong type, when the status is not documented, and when a member of
// the answer is missing, unknown, or of the wrong type, format or enumeration. A line with `webhook`
// is a delivery, whose `request_body` is held against the description of that event.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import Ajv from "ajv/dist/2019.js";
import addFormats from "ajv-formats";

const BASE = "/api/v3";
// GitHub documents these in general and not for each operation; 404 hides what is private.
const ANYWHERE = new Set([401, 403, 404, 429, 500, 502, 503]);

const require = createRequire(import.meta.url);

export function load() {
  const file = require.resolve("@octokit/openapi/generated/api.github.com.json");
  return JSON.parse(readFileSync(file, "utf8"));
}

// An OpenAPI 3.0 schema as JSON Schema. `strict` closes every object whose members are listed;
// parts of an `allOf` stay open, and the whole is closed instead.
function convert(schema, strict) {
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return { $ref: `github#/$defs/${strict ? "strict" : "open"}/${name}` };
  }
  const { nullable, discriminator, example, examples, xml, externalDocs, ...rest } = schema;
  for (const key of Object.keys(rest)) {
    if (key.startsWith("x-") || key === "deprecated" || key === "default") delete rest[key];
  }
  const whole = Boolean(rest.allOf);
  for (const key of ["allOf", "anyOf", "oneOf"]) {
    const inside = strict && key !== "allOf" && !whole && !rest.properties;
    if (rest[key]) rest[key] = rest[key].map((part) => convert(part, inside));
  }
  const combined = rest.allOf || rest.anyOf || rest.oneOf;
  if (rest.items) rest.items = convert(rest.items, strict);
  if (rest.not) rest.not = convert(rest.not, false);
  if (rest.additionalProperties && typeof rest.additionalProperties === "object") {
    rest.additionalProperties = convert(rest.additionalProperties, strict);
  }
  if (rest.properties) {
    rest.properties = Object.fromEntries(
      Object.entries(rest.properties).map(([name, part]) => [name, convert(part, strict)]),
    );
  }
  if (strict && rest.additionalProperties === undefined) {
    if (rest.properties && !combined) rest.additionalProperties = false;
    else if (rest.properties || whole) rest.unevaluatedProperties = false;
  }
  if (!nullable) return rest;
  if (combined || rest.$ref) return { anyOf: [rest, { type: "null" }] };
  if (rest.enum && !rest.enum.includes(null)) rest.enum = [...rest.enum, null];
  if (rest.type) rest.type = [rest.type, "null"];
  return rest;
}

export class Checker {
  #api;
  #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
  // Query and path parameters arrive as text.
  #coercing = new Ajv({ strict: false, allErrors: true, coerceTypes: "array" });
  #compiled = new Map();
  #operations;

  constructor(api = load()) {
    this.#api = api;
    const each = (strict) =>
      Object.fromEntries(
        Object.entries(api.components.schemas).map(([n, s]) => [n, convert(s, strict)]),
      );
    const definitions = { $id: "github", $defs: { strict: each(true), open: each(false) } };
    for (const ajv of [this.#ajv, this.#coercing]) {
      addFormats(ajv);
      for (const format of ["int64", "int32", "timestamp", "ssh-key"]) ajv.addFormat(format, true);
      // GitHub writes addresses with places to fill in as plain addresses.
      ajv.addFormat("uri", (text) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(text));
      ajv.addSchema(definitions);
    }
    this.#operations = Object.entries(api.paths).flatMap(([path, item]) =>
      ["get", "put", "post", "patch", "delete"]
        .filter((method) => item[method])
        .map((method) => this.#operation(path, method, item)),
    );
    // What is written out goes before what is left open.
    this.#operations.sort((a, b) => a.names.length - b.names.length);
  }

  #operation(path, method, item) {
    const names = [];
    const last = path.lastIndexOf("{");
    const pattern = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{([^}]+)\}/g, (_, name, at) => {
      names.push(name);
      // A reference may contain slashes, and stands at the end.
      const slashes = at >= last && (name === "ref" || name === "basehead");
      return slashes ? "(.+)" : "([^/]+)";
    });
    const parameters = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
    return {
      id: item[method].operationId,
      method,
      names,
      pattern: new RegExp(`^${pattern}$`),
      parameters: parameters.map((parameter) => this.#resolve(parameter)),
      body: this.#resolve(item[method].requestBody),
      responses: item[method].responses,
    };
  }

  #resolve(part) {
    if (!part?.$ref) return part;
    return part.$ref.slice(2).split("/").reduce((at, key) => at[key], this.#api);
  }

  #validate(ajv, schema, value, where) {
    if (!this.#compiled.has(schema)) {
      this.#compiled.set(schema, ajv.compile(convert(schema, true)));
    }
    const valid = this.#compiled.get(schema);
    if (valid(value)) return [];
    return valid.errors.map(({ instancePath, message, params }) => {
      const detail = params.additionalProperty ?? params.unevaluatedProperty ?? params.allowedValues;
      const shown = detail === undefined ? "" : `: ${JSON.stringify(detail)}`;
      return `${where}${instancePath} ${message}${shown}`;
    });
  }

  // The sentences that say what is wrong with a call; none when it is right.
  check(call) {
    if (call.webhook) return this.#webhook(call);
    if (!call.path?.startsWith(BASE)) return [`${call.path} is not below ${BASE}`];
    const path = call.path.slice(BASE.length);
    const method = call.method.toLowerCase();
    for (const operation of this.#operations) {
      const match = operation.method === method && operation.pattern.exec(path);
      if (match) {
        const values = match.slice(1).map(decodeURIComponent);
        return [
          ...this.#parameters(operation, values, call),
          ...this.#body(operation, call),
          ...this.#response(operation, call),
        ].map((sentence) => `${operation.id}: ${sentence}`);
      }
    }
    return [`unknown operation ${call.method} ${path}`];
  }

  // Events with several actions are described once for each.
  #webhook({ webhook, request_body: sent }) {
    const name = [webhook, sent?.action].filter(Boolean).join("-").replaceAll("_", "-");
    const described = this.#api["x-webhooks"][name]?.post;
    if (!described) return [`unknown webhook ${name}`];
    const schema = described.requestBody.content["application/json"].schema;
    return this.#validate(this.#ajv, schema, sent, `webhook ${name}: payload`);
  }

  #parameters(operation, values, call) {
    const found = [];
    const query = new URLSearchParams(call.query ?? "");
    const known = new Map(
      operation.parameters.filter((p) => p.in === "query").map((p) => [p.name, p]),
    );
    const text = (parameter, value, where) =>
      this.#validate(
        this.#coercing,
        (parameter.wrapped ??= {
          type: "object",
          properties: { value: parameter.schema },
          required: ["value"],
        }),
        { value },
        where,
      );
    for (const [name, value] of query) {
      const parameter = known.get(name);
      if (parameter) found.push(...text(parameter, value, `query ${name}`));
      else found.push(`unknown query parameter ${name}`);
    }
    for (const parameter of known.values()) {
      if (parameter.required && !query.has(parameter.name)) {
        found.push(`query parameter ${parameter.name} is missing`);
      }
    }
    operation.names.forEach((name, at) => {
      const parameter = operation.parameters.find((p) => p.in === "path" && p.name === name);
      if (parameter) found.push(...text(parameter, values[at], `path ${name}`));
    });
    if (!call.headers?.["user-agent"]) found.push("the header User-Agent is missing");
    return found;
  }

  #body(operation, call) {
    const sent = call.request_body;
    if (sent === null || sent === undefined) {
      return operation.body?.required ? ["the request has no body"] : [];
    }
    const schema = operation.body?.content?.["application/json"]?.schema;
    if (!schema) return ["the request has a body and the operation takes none"];
    return this.#validate(this.#ajv, schema, sent, "request");
  }

  #response(operation, call) {
    const documented = this.#resolve(operation.responses[call.status]);
    const got = call.response_body;
    const error = { $ref: "#/components/schemas/basic-error" };
    if (!documented) {
      if (!ANYWHERE.has(call.status)) return [`status ${call.status} is not documented`];
      return this.#validate(this.#ajv, error, got, `response ${call.status}`);
    }
    const schema = documented.content?.["application/json"]?.schema;
    if (!schema) {
      const empty = got === null || got === undefined;
      return empty || call.status >= 400 ? [] : [`response ${call.status} has a body`];
    }
    return this.#validate(this.#ajv, schema, got, `response ${call.status}`);
  }
}

function main(files) {
  if (files.length === 0) {
    console.error("usage: node github_openapi.mjs RECORD...");
    return 2;
  }
  const checker = new Checker();
  const wrong = new Map();
  let calls = 0;
  for (const file of files) {
    const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
    for (const line of lines) {
      const call = JSON.parse(line);
      if (call.protocol !== "github") continue;
      calls += 1;
      for (const sentence of checker.check(call)) {
        const seen = wrong.get(sentence) ?? { count: 0, call };
        wrong.set(sentence, { ...seen, count: seen.count + 1 });
      }
    }
  }
  for (const [sentence, { count, call }] of wrong) {
    const what = call.webhook ?? `${call.method} ${call.path} → ${call.status}`;
    console.error(`${sentence}\n    ${count} × ${what}`);
  }
  if (calls === 0) {
    console.error("no GitHub calls were recorded");
    return 1;
  }
  console.log(`${calls} GitHub calls, ${wrong.size} faults`);
  return wrong.size === 0 ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = main(process.argv.slice(2));
}
