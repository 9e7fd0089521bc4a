// What is typed and not sent yet is kept by the server and by no browser. A click that finds no server waits for one.

import { whenThere } from "./dom.js";
import { BLANK, fill, whole } from "./form.js";
import { onMe } from "./header.js";
import { pause } from "./live.js";
import { Refused, ask } from "./server.js";
import { t } from "./texts.js";
import { toast } from "./toast.js";

const AFTER_MS = 700;
const PATIENCE_MS = 10000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20000;
const LONGEST_DELAY_OF_A_CLICK_MS = 4000;
const SETTLED_MS = 1000;
const LONGEST_TEXT = 20000;
const LONGEST_SHORT = 64;
// What may outlive its page; browsers allow 64 KiB.
const LONGEST_FAREWELL = 60000;

let shown = BLANK; // the form as Gradio has it
let known = BLANK; // the draft as the server has it, as far as this page knows
let refused = null; // what the server did not take: asking again would not help
let parting = null; // what was sent at the last moment of the page
let latestInput = 0; // Gradio tells the form's new state a moment later
let timer = 0;
let saving = null;
let flying = Promise.resolve();
let held = false;
let release = 0;

// Gradio's events call these by name.
window.atelier.typed = typed;
window.atelier.send = send;
window.atelier.sent = released;

export function startDraft() {
  let started = false;
  whenThere("#composer", (composer) => composer.addEventListener("input", () => (latestInput = Date.now())));
  onMe((me) => {
    if (started || !me.permissions.includes("job:create")) return;
    started = true;
    whenThere("#apply-recipe", takeOver);
    document.addEventListener("visibilitychange", () => (document.visibilityState === "visible" ? takeOver() : part()));
    addEventListener("pagehide", part);
    addEventListener("submit", part, true); // signing out: afterwards nobody may save any more
  });
}

function typed(values) {
  shown = named(values);
  clearTimeout(timer);
  if (!isSaved()) timer = setTimeout(save, AFTER_MS);
}

/** By name, and as the server can keep it: a text that is far too long is cut. */
function named(values) {
  const draft = {};
  Object.entries(BLANK).forEach(([name, blank], index) => {
    const value = values[index] ?? (typeof blank === "number" ? null : blank); // a number that was emptied is none
    const longest = name === "seed" ? LONGEST_SHORT : LONGEST_TEXT;
    draft[name] = typeof value === "string" ? value.slice(0, longest) : value;
  });
  return draft;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isSaved = () => same(shown, known) || same(shown, refused);

/** The newer draft, perhaps of another window or device, unless something was typed here. */
async function takeOver() {
  const isUntouched = () => Date.now() - latestInput > SETTLED_MS && same(shown, known);
  if (!isUntouched()) return;
  try {
    const { draft } = await ask("account/draft", { signal: AbortSignal.timeout(PATIENCE_MS) });
    const theirs = whole(draft ?? {});
    if (!isUntouched() || same(theirs, known)) return;
    shown = known = theirs;
    fill(theirs);
  } catch {
    // The next time that the page is looked at.
  }
}

/** Until the server has what is shown, however long that takes. */
function save() {
  saving ??= (async () => {
    for (let delay = FIRST_DELAY_MS; !isSaved(); delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
      if ((await kept()) && !isSaved()) await reconnected(delay);
    }
  })().finally(() => (saving = null));
  return saving;
}

/** What stood in the way, or null. One after the other, so that the latest is kept last. */
function kept() {
  const mine = flying.then(put);
  flying = mine;
  return mine;
}

async function put() {
  const sent = shown;
  try {
    await ask("account/draft", { method: "PUT", body: sent, signal: AbortSignal.timeout(PATIENCE_MS) });
    known = sent;
  } catch (error) {
    // `ask` is on the way to another page: nothing may go on here.
    if (error.status === 401 || error.code === "password-change-required") return new Promise(() => {});
    if (error instanceof Refused && error.status < 500 && error.status !== 429) refused = sent;
    return error;
  }
  return null;
}

/** The page is hidden or goes away: there may be no later. */
function part() {
  clearTimeout(timer);
  if (isSaved() || same(shown, parting)) return;
  const sent = (parting = shown);
  const keepalive = new Blob([JSON.stringify(sent)]).size < LONGEST_FAREWELL;
  ask("account/draft", { method: "PUT", body: sent, keepalive }).then(
    () => (known = sent),
    () => {
      parting = null;
      save();
    },
  );
}

/**
 * What a click on Generate sends, once the server can be reached: Gradio would load the page again.
 * The draft is saved on the way, should the connection end in this very moment.
 */
async function send(values) {
  // Gradio itself takes no second click as soon as it has begun to send the first.
  if (held) return new Promise(() => {});
  held = true;
  clearTimeout(release);
  document.body.classList.add("is-sending");
  typed(values);
  let close = null;
  // A refusal stops nothing: the flow will name what is wrong.
  for (let delay = FIRST_DELAY_MS; isAway(await kept()); delay = Math.min(delay * 2, LONGEST_DELAY_OF_A_CLICK_MS)) {
    close ??= toast(t("client.held"), "held");
    await reconnected(delay);
  }
  close?.();
  release = setTimeout(() => (held = false), AFTER_MS);
  return values;
}

const isAway = (error) => error !== null && !(error instanceof Refused);

/** Gradio has done what a click asked for, or has failed. */
function released() {
  held = false;
  document.body.classList.remove("is-sending");
}

/** After a while, or as soon as the browser believes that it is connected again. */
function reconnected(delay) {
  return Promise.race([pause(delay), new Promise((resolve) => addEventListener("online", resolve, { once: true }))]);
}
