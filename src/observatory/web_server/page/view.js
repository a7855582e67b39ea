// What is shown for what is known: pure, without the page and without a clock.

export const POLL_MS = 1000;
export const BACKOFF_MS_MAX = 15000;
export const STALE_LAG_S = 10;

const TONES = {
  SCHEDULED: ["◷", "wait"], PENDING: ["○", "wait"], VALIDATED: ["◔", "run"], EXECUTING: ["▶", "run"],
  RETRYING: ["↻", "warn"], COMPLETED: ["✓", "ok"], FAILED: ["✕", "bad"], CANCELLED: ["⊘", "off"],
};

export function statusLook(status) {
  const [sign, tone] = TONES[status] ?? ["?", "off"];
  return { text: `${sign} ${status}`, tone };
}

export function ageText(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 2) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

export function pauseMs(failures) {
  return failures === 0 ? POLL_MS : Math.min(POLL_MS * 2 ** failures, BACKOFF_MS_MAX);
}

export function numbersOf(stats) {
  const counts = stats.byStatus;
  const sum = (...names) => names.reduce((total, name) => total + (counts[name] ?? 0), 0);
  return [
    ["Accepted", stats.totalJobs],
    ["Waiting", sum("SCHEDULED", "PENDING", "RETRYING")],
    ["Running", sum("VALIDATED", "EXECUTING")],
    ["Completed", stats.completedJobs],
    ["Failed", stats.failedJobs],
    ["Cancelled", sum("CANCELLED")],
  ];
}

// One word for the whole page. `known` holds the last good answers; `failure` is null while the last try was good.
export function stateOf({ known, failure }) {
  if (!known) return failure ? "failed" : "loading";
  if (failure) return "stale";
  if (known.stats.state !== "live" || (known.stats.lagSeconds ?? 0) > STALE_LAG_S) return "stale";
  return known.stats.totalJobs === 0 && known.recent.length === 0 && !known.warning ? "empty" : "live";
}

export function freshnessText(state, known, failure, nowMs) {
  if (state === "loading") return "Asking the read model…";
  if (state === "failed") return "No answer yet";
  const age = ageText(nowMs - known.atMs);
  if (failure) return `Stale: answered ${age}`;
  if (known.stats.state === "rebuilding") return "The numbers are being rebuilt";
  return state === "stale" ? `Behind by ${known.stats.lag} events` : `Live, answered ${age}`;
}

export function noticeOf(state, known, failure, seconds) {
  if (state === "empty") {
    return ["No job yet", "Everything answers; nothing has been submitted.", "Submit one:  odd-dashboard submit checksum path=README.md --wait"];
  }
  if (failure) {
    const title = state === "failed" ? "The read model does not answer" : "These numbers are old";
    return [title, failure, `Trying again in ${seconds} s. If it stays so, start it again:  odd-dashboard up`];
  }
  if (state === "stale") {
    const said = known.stats.state === "rebuilding" ? "The view is being made anew from the history." : "The view is behind the history.";
    return ["The numbers are not complete", `${said} ${known.stats.lag} events are not counted yet.`, ""];
  }
  return null;
}
