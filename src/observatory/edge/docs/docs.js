"use strict";

// Everything is put on the page as text; nothing of the document is ever read as markup.
const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH_MAX = 6;

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function resolve(spec, schema) {
  const parts = schema?.$ref?.split("/").slice(1);
  return parts ? parts.reduce((node, part) => node?.[part], spec) ?? {} : schema ?? {};
}

function typeOf(spec, schema) {
  const own = resolve(spec, schema);
  if (own.type === "array") return `array of ${typeOf(spec, own.items)}`;
  if (Array.isArray(own.type)) return own.type.join(" or ");
  if (own.enum) return own.enum.map((value) => JSON.stringify(value)).join(" | ");
  return own.type ?? (own.oneOf || own.anyOf ? (own.oneOf ?? own.anyOf).map((one) => typeOf(spec, one)).join(" or ") : "any");
}

function boundsOf(schema) {
  const said = [];
  if (schema.minimum !== undefined) said.push(`≥ ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) said.push(`> ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined) said.push(`≤ ${schema.maximum}`);
  if (schema.default !== undefined && schema.default !== null) said.push(`default ${JSON.stringify(schema.default)}`);
  if (schema["x-known-values"]) said.push(`known: ${schema["x-known-values"].join(", ")}`);
  if (schema["x-rule"]) said.push(schema["x-rule"]);
  return said.join("; ");
}

function exampleOf(spec, schema, depth = 0) {
  const own = resolve(spec, schema);
  if (depth > DEPTH_MAX) return null;
  if (own["x-known-values"]) return own["x-known-values"][0];
  if (own.enum) return own.enum[0];
  const type = Array.isArray(own.type) ? own.type[0] : own.type;
  if (type === "object" || own.properties) {
    const wanted = own.required ?? Object.keys(own.properties ?? {}).slice(0, 1);
    return Object.fromEntries(wanted.map((name) => [name, exampleOf(spec, own.properties?.[name], depth + 1)]));
  }
  if (type === "array") return own.items ? [exampleOf(spec, own.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return own.minimum ?? 1;
  if (type === "boolean") return true;
  if (own.format === "uuid") return "0190f3a0-7b1c-7d3e-8f00-000000000001";
  if (own.format === "date-time") return "2026-01-31T12:00:00Z";
  return type === "string" ? "example" : null;
}

function fieldRows(spec, schema) {
  const own = resolve(spec, schema);
  const target = own.type === "array" && own.items ? resolve(spec, own.items) : own;
  return Object.entries(target.properties ?? {}).map(([name, property]) => {
    const inner = { ...resolve(spec, property), ...(property.description ? { description: property.description } : {}) };
    const needed = target.required?.includes(name) ? "required" : "optional";
    return row(name, `${typeOf(spec, property)}, ${needed}`, [inner.description, boundsOf(inner)].filter(Boolean).join(" — "));
  });
}

function row(...cells) {
  return make("tr", {}, ...cells.map((text, index) => make(index ? "td" : "th", index ? { text } : { text, scope: "row" })));
}

function table(caption, rows) {
  return rows.length ? make("table", { "aria-label": caption }, make("tbody", {}, ...rows)) : null;
}

function curlOf(spec, method, path, operation) {
  const lines = [`curl -X ${method.toUpperCase()} '${location.origin}${path.replace(/\{(\w+)\}/g, "$$$1")}'`];
  if (operation.security?.length === 1) lines.push("  -H \"Authorization: Bearer $(cat \"$ODD_DATA_DIR/token\")\"");
  const content = Object.entries(operation.requestBody?.content ?? {})[0];
  if (content) {
    lines.push(`  -H 'Content-Type: ${content[0]}'`);
    lines.push(`  -d '${JSON.stringify(exampleOf(spec, content[1].schema))}'`);
  }
  return lines.join(" \\\n");
}

function bodySection(spec, title, content) {
  return Object.entries(content ?? {}).slice(0, 1).flatMap(([media, body]) => {
    const rows = fieldRows(spec, body.schema);
    const described = resolve(spec, body.schema).description;
    return [
      make("h3", { text: `${title} — ${media}` }),
      described ? make("p", { class: "note", text: described }) : null,
      rows.length ? make("details", {}, make("summary", { text: `${rows.length} fields` }), table(title, rows)) : null,
    ];
  });
}

function operationCard(spec, method, path, operation) {
  const id = operation.operationId ?? `${method}-${path}`;
  const parameters = (operation.parameters ?? []).map((one) =>
    row(one.name, `${one.in}, ${typeOf(spec, one.schema)}${one.required ? ", required" : ""}`,
      [one.description, boundsOf(one.schema ?? {})].filter(Boolean).join(" — ")));
  const answers = Object.entries(operation.responses ?? {}).map(([status, answer]) => row(status, answer.description ?? "", ""));
  const good = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith("2"));
  const access = { 1: "Needs the bearer token.", 2: "Needs the bearer token only where reads are protected." }[operation.security?.length];
  return make("article", { id, "aria-labelledby": `${id}-title` },
    make("h2", { id: `${id}-title` }, make("span", { class: "method", text: method.toUpperCase() }), make("code", { text: path })),
    operation.summary ? make("p", { text: operation.summary }) : null,
    operation.description && operation.description !== operation.summary ? make("p", { class: "note", text: operation.description }) : null,
    access ? make("p", { class: "note", text: access }) : null,
    parameters.length ? make("h3", { text: "Parameters" }) : null,
    table("Parameters", parameters),
    ...bodySection(spec, "Body", operation.requestBody?.content),
    ...bodySection(spec, "Answer", good?.[1].content),
    make("h3", { text: "Statuses" }),
    table("Statuses", answers),
    make("h3", { text: "Try it" }),
    make("pre", { tabindex: "0" }, make("code", { text: curlOf(spec, method, path, operation) })));
}

function show(spec) {
  document.title = `${spec.info.title} ${spec.info.version}`;
  document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}`;
  document.getElementById("about").textContent = spec.info.description ?? "";
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  main.replaceChildren();
  // What every service has comes last: a reader is here for the rest.
  const isCommon = ([, item]) => Object.values(item).some((operation) => operation.tags?.includes("service"));
  const paths = Object.entries(spec.paths).sort((one, other) => isCommon(one) - isCommon(other));
  for (const [path, item] of paths) {
    for (const method of METHODS.filter((name) => item[name])) {
      main.append(operationCard(spec, method, path, item[method]));
      const link = make("a", { href: `#${item[method].operationId}`, text: `${method.toUpperCase()} ${path}` });
      index.append(make("li", {}, link));
    }
  }
}

fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`the service answered ${answer.status}`))))
  .then(show)
  .catch((error) => { document.getElementById("state").textContent = `The document could not be read: ${error.message}. Load the page again.`; });
