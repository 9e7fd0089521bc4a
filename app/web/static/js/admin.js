// The Admin tab: the queue of everybody and the engine stay up to date while somebody looks at them.

import { whenThere } from "./dom.js";
import { pause } from "./live.js";
import { refreshNotices } from "./notices.js";
import { ask } from "./server.js";

const EVERY_MS = 4000;

const VIEWS = { "#everyones-queue": "#queue-refresh", "#engine-view": "#engine-refresh" };

export function startAdmin() {
  for (const [place, refresh] of Object.entries(VIEWS)) {
    whenThere(place, (view) => {
      let told = null;
      // Gradio puts the new text into the elements that are there. Whoever has changed something sees the banner at once.
      const observer = new MutationObserver(() => {
        const state = view.querySelector(".queue-state")?.textContent ?? null;
        if (told !== null && told !== state) refreshNotices();
        told = state;
      });
      observer.observe(view, { childList: true, characterData: true, subtree: true });
      follow(view, refresh);
    });
  }
}

async function follow(view, refresh) {
  while (view.isConnected) {
    await pause(EVERY_MS);
    if (!isLookedAt(view) || (await isAway()) || !isLookedAt(view)) continue;
    document.querySelector(refresh)?.click();
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
