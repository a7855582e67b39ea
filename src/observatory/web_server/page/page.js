// Asks the read model once a second and puts the answers on the page, always as text.
import { ageText, freshnessText, noticeOf, numbersOf, pauseMs, stateOf, statusLook } from "/view.js";

const TIMEOUT_MS = 5000;
const RECENT = 20;
const REGISTRY_EVERY_MS = 60000;
const byId = (id) => document.getElementById(id);

let config = null;
let known = null;
let failure = null;
let failures = 0;
let nextTryMs = 0;
let registryAtMs = -Infinity;

function make(tag, text = null, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

async function answerOf(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(`${new URL(url, location.href).pathname} answered ${answer.status}${problem.detail ? `: ${problem.detail}` : ""}`);
}

async function ask(url) {
  return (await answerOf(url)).json();
}

async function askRecent(base) {
  const answer = await answerOf(`${base}/jobs/recent?limit=${RECENT}`);
  return { recent: await answer.json(), warning: answer.headers.get("Job-Warning") };
}

function reason(error) {
  if (error.name === "TimeoutError") return `No answer within ${TIMEOUT_MS / 1000} s.`;
  return error instanceof TypeError ? `Nothing answers at ${config ? config.links.readModel : location.origin}.` : `${error.message}.`;
}

function showNumbers(stats) {
  const rows = numbersOf(stats).map(([label, value]) => {
    const row = make("div");
    row.append(make("dt", label), make("dd", value.toLocaleString("en")));
    return row;
  });
  byId("numbers").replaceChildren(...rows);
}

function jobRow(job, nowMs) {
  const look = statusLook(job.status);
  const row = make("tr");
  const status = make("td");
  status.append(make("span", look.text, { class: "status", "data-tone": look.tone }));
  const id = make("td");
  id.append(make("code", job.id, { title: job.id }));
  const accepted = make("td", ageText(nowMs - Date.parse(job.createdAt)), { title: job.createdAt });
  row.append(status, make("td", job.type), id, make("td", job.queue), make("td", `${job.attempt} of ${job.maxAttempts}`), accepted);
  return row;
}

function showRecent(state, nowMs) {
  const jobs = known?.recent ?? [];
  byId("recent").hidden = jobs.length === 0;
  byId("recent-empty").hidden = jobs.length !== 0 || Boolean(known?.warning);
  byId("recent-empty").textContent = { loading: "Loading…", failed: "Not known: the read model did not answer." }[state] ?? "No job has been accepted.";
  byId("recent-warning").hidden = !known?.warning;
  byId("recent-warning").textContent = known?.warning ?? "";
  byId("recent-rows").replaceChildren(...jobs.map((job) => jobRow(job, nowMs)));
}

function showNotice(state, nowMs) {
  const notice = noticeOf(state, known, failure, Math.max(0, Math.ceil((nextTryMs - nowMs) / 1000)));
  byId("notice").hidden = notice === null;
  if (notice === null) return;
  [byId("notice-title").textContent, byId("notice-text").textContent, byId("notice-next").textContent] = notice;
}

function show() {
  const nowMs = Date.now();
  const state = stateOf({ known, failure });
  document.body.dataset.state = state;
  const freshness = freshnessText(state, known, failure, nowMs);
  if (byId("freshness-text").textContent !== freshness) byId("freshness-text").textContent = freshness;
  if (known) {
    showNumbers(known.stats);
    byId("numbers-age").textContent = `from ${known.stats.source} at position ${known.stats.position}, ${ageText(nowMs - known.atMs)}`;
    byId("recent-age").textContent = `from the job store, ${ageText(nowMs - known.atMs)}`;
  } else {
    const rows = ["Accepted", "Waiting", "Running", "Completed", "Failed", "Cancelled"].map((label) => {
      const row = make("div");
      row.append(make("dt", label), make("dd", "–", { "aria-label": "not known" }));
      return row;
    });
    byId("numbers").replaceChildren(...rows);
  }
  if (registryAtMs < 0 && state === "failed") byId("places-state").textContent = "Not known: the read model did not answer.";
  showRecent(state, nowMs);
  showNotice(state, nowMs);
}

function placeItem(entry) {
  const item = make("li");
  const url = `${location.protocol}//${location.hostname}:${entry.port}${entry.path}`;
  item.append(make("a", entry.name, { href: url, rel: "noreferrer" }), make("p", entry.description, { class: "soft" }));
  item.append(make("p", [`port ${entry.port}`, entry.signIn].filter(Boolean).join(" — "), { class: "soft" }));
  return item;
}

async function showPlaces(nowMs) {
  if (nowMs - registryAtMs < REGISTRY_EVERY_MS) return;
  const registry = await ask(`${config.links.readModel}/ui-registry`);
  registryAtMs = nowMs;
  const running = registry.entries.filter((entry) => entry.modes.includes("embedded"));
  byId("places").replaceChildren(...running.map(placeItem));
  const elsewhere = registry.entries.length - running.length;
  byId("places-state").textContent = registry.warning?.problem ?? (elsewhere ? `${elsewhere} more exist when the engines run.` : "");
}

async function round() {
  try {
    config ??= await ask("/config.json");
    byId("version").textContent = `Version ${config.version}. Where every job is, and what happened to it.`;
    const base = config.links.readModel;
    const [stats, accepted] = await Promise.all([ask(`${base}/stats`), askRecent(base)]);
    known = { stats, ...accepted, atMs: Date.now() };
    failure = null;
    failures = 0;
    await showPlaces(Date.now());
  } catch (error) {
    failure = reason(error);
    failures += 1;
  }
  const pause = pauseMs(failures);
  nextTryMs = Date.now() + pause;
  show();
  setTimeout(round, pause);
}

show();
round();
// Between two answers the ages go on.
setInterval(show, 1000);
