// Banners about the service: the demo model, loading, a failed engine, a paused queue.

import { el, whenThere } from "./dom.js";
import { icon } from "./icons.js";
import { pause } from "./live.js";
import { ask } from "./server.js";

const SOON_MS = 2500;
const OFTEN_MS = 4000;
const RARELY_MS = 20000;
const ICONS = { demo: "flask", loading: "info", failed: "warning", paused: "pause" };

const listeners = [];
let wake = () => {};

/** `use()` whenever the service became ready, paused, draining or something else, or has the demo model or another. */
export function onService(use) {
  listeners.push(use);
}

/** Look now: something happened that the service's state may explain. */
export function refreshNotices() {
  wake();
}

export function startNotices() {
  whenThere("#notices", follow);
}

async function follow(root) {
  while (root.isConnected) {
    // Whoever waits wants to know why.
    let wait = document.querySelector('#queue [data-state="queued"]') ? OFTEN_MS : RARELY_MS;
    if (document.visibilityState === "visible") {
      try {
        const status = await ask("account/status");
        paint(root, status);
        if (!status.ready) wait = SOON_MS;
      } catch {
        wait = SOON_MS * 2;
      }
    }
    await Promise.race([pause(wait), shown(), new Promise((resolve) => (wake = resolve))]);
  }
}

/** Resolves when the page is looked at again. */
function shown() {
  return new Promise((resolve) => {
    if (document.visibilityState === "visible") return;
    document.addEventListener("visibilitychange", resolve, { once: true });
  });
}

function paint(root, status) {
  const service = status.draining ? "draining" : status.paused ? "paused" : status.ready ? "ready" : "waiting";
  const model = status.notices.some((each) => each.kind === "demo") ? "demo" : "own";
  if (document.body.dataset.service !== service || document.body.dataset.model !== model) {
    Object.assign(document.body.dataset, { service, model });
    for (const use of listeners) use();
  }
  const wanted = JSON.stringify(status.notices);
  if (root.dataset.shown === wanted) return;
  root.dataset.shown = wanted;
  root.replaceChildren(...status.notices.map(notice));
}

function notice({ kind, text, progress }) {
  const bar = progress === null ? null : el("span", { class: "notice-bar", "aria-hidden": "true" }, el("span", { style: { width: `${progress * 100}%` } }));
  return el("div", { class: `notice notice-${kind}` }, icon(ICONS[kind]), el("p", {}, text), bar);
}
