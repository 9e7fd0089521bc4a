// The Admin tab: the queue of everybody stays up to date while somebody looks at it.

import { whenThere } from "./dom.js";
import { pause } from "./live.js";
import { refreshNotices } from "./notices.js";
import { ask } from "./server.js";

const EVERY_MS = 4000;

let told = null;

export function startAdmin() {
  whenThere("#everyones-queue", (view) => {
    // Gradio puts the new text into the elements that are there.
    new MutationObserver(() => noticeState(view)).observe(view, { childList: true, characterData: true, subtree: true });
    follow(view);
  });
}

/** Whoever has paused or drained the queue sees the banner at once. */
function noticeState(view) {
  const state = view.querySelector(".queue-state")?.textContent ?? null;
  if (told !== null && told !== state) refreshNotices();
  told = state;
}

async function follow(view) {
  while (view.isConnected) {
    await pause(EVERY_MS);
    if (!isLookedAt(view) || (await isAway()) || !isLookedAt(view)) continue;
    document.querySelector("#queue-refresh")?.click();
  }
}

/** A button that asks whether somebody is sure, or that the keyboard stands on, must not become that of another row. */
function isLookedAt(view) {
  if (document.visibilityState !== "visible" || view.offsetParent === null) return false;
  return !view.querySelector("[data-armed], tbody :focus-visible");
}

/** Without its server Gradio would load the page again. */
async function isAway() {
  try {
    await ask("account/status");
    return false;
  } catch {
    return true;
  }
}
