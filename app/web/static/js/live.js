// What happens to my jobs: one long poll while the page is visible, and whoever wants to know is told.

import { Refused, ask } from "./server.js";

const WAIT_SECONDS = 25;
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 20000;

const listeners = [];
const quietListeners = [];
let rev = null;
let stopper = null;
let stopped = false;

/** `use(job, first)` for each job that changed; `first` while the unfinished jobs of an earlier visit come in. */
export function onJob(use) {
  listeners.push(use);
}

/** `use()` when nothing has happened to my jobs for a while: perhaps something else has changed. */
export function onQuiet(use) {
  quietListeners.push(use);
}

/** A job as an API call of our own answered it: no need to wait for the poll. */
export function tell(job, first = false) {
  for (const use of listeners) {
    try {
      use(job, first);
    } catch (error) {
      // A mistake of ours must not look like a lost connection.
      console.error(error);
    }
  }
}

export async function followJobs() {
  let delay = FIRST_DELAY_MS;
  while (!stopped) {
    await untilVisible();
    try {
      await followOnce();
      delay = FIRST_DELAY_MS;
    } catch (error) {
      if (stopped) return;
      // The role changed while the page was open: what it shows no longer fits.
      if (error.code === "not-permitted") return location.reload();
      if (error instanceof Refused && error.status < 500 && error.status !== 429) {
        if (error.code !== "invalid-request") return; // not allowed, or already on the way to the login
        rev = null;
      }
      if (document.visibilityState === "visible") {
        await pause(delay * (0.75 + Math.random() / 2));
        delay = Math.min(delay * 2, LONGEST_DELAY_MS);
      }
    }
  }
}

/** Before signing out: the poll would only learn that nobody is signed in any more. */
export function stopFollowing() {
  stopped = true;
  stopper?.abort();
}

async function followOnce() {
  stopper = new AbortController();
  const stopWhenHidden = () => document.visibilityState === "hidden" && stopper.abort();
  document.addEventListener("visibilitychange", stopWhenHidden);
  try {
    const since = rev === null ? "" : `&since=${encodeURIComponent(rev)}`;
    const news = await ask(`api/v1/events?wait=${WAIT_SECONDS}${since}`, { signal: stopper.signal });
    const first = rev === null;
    rev = news.rev;
    for (const job of news.jobs) tell(job, first);
    if (news.jobs.length === 0) for (const use of quietListeners) use();
  } finally {
    document.removeEventListener("visibilitychange", stopWhenHidden);
  }
}

function untilVisible() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
