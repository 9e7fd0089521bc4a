// What the next click costs and what is left, or why it would be refused. It only tells: the server decides.

import { whenThere } from "./dom.js";
import { BLANK } from "./form.js";
import { onMe, refreshMe } from "./header.js";
import { rangesOf } from "./limits.js";
import { onJob } from "./live.js";
import { onService, refreshNotices } from "./notices.js";
import { number, t } from "./texts.js";

const AFTER_MS = 250;

let values = null;
let me = null;
let line = null;
let timer = 0;
const waiting = new Set();

// Gradio's events call these by name.
window.atelier.weigh = weigh;
window.atelier.refused = () => {
  refreshMe();
  refreshNotices();
};

export function startCost() {
  whenThere("#cost", (found) => {
    line = found;
    show();
  });
  whenThere("#generate", (button) => button.setAttribute("aria-describedby", "cost"));
  onMe((found) => {
    me = found;
    show();
  });
  onService(show);
  onJob((job) => {
    const before = waiting.size;
    if (job.state === "queued") waiting.add(job.id);
    else waiting.delete(job.id);
    if (waiting.size !== before) showSoon();
  });
}

/** The form's new state; a number that is being typed is wrong for a moment. */
function weigh(given) {
  values = Object.fromEntries(Object.keys(BLANK).map((name, index) => [name, given[index]]));
  showSoon();
}

function showSoon() {
  clearTimeout(timer);
  timer = setTimeout(show, AFTER_MS);
}

function show() {
  if (!line || !me) return;
  const may = me.permissions.includes("job:create");
  const form = values ?? BLANK;
  const refusal = may ? refusalOf(form) : null;
  line.hidden = !may;
  line.classList.toggle("is-refusal", refusal !== null);
  line.textContent = refusal ?? costOf(form.count);
}

/** The first one that the server would find, in its words. */
function refusalOf(form) {
  for (const [name, range] of Object.entries(rangesOf(me.limits))) {
    const wrong = wrongIn(form[name], range);
    if (wrong) return `${t(`field.${name}`)}: ${wrong}`;
  }
  if (document.body.dataset.service === "draining") return t("error.service-paused");
  const { limits, quota, budget } = me;
  if (waiting.size >= limits.max_waiting) return t("error.too-many-jobs", { limit: number(limits.max_waiting) });
  const lacks = (found) => found !== null && found.remaining !== null && found.remaining < form.count;
  const numbers = (found) => ({ needed: number(form.count), remaining: number(found.remaining) });
  if (lacks(quota)) return t("error.quota-exceeded", numbers(quota));
  if (lacks(budget)) return t("error.budget-exceeded", numbers(budget));
  return null;
}

function wrongIn(value, { min, max, step }) {
  if (!Number.isInteger(value)) return t("field.integer");
  if (value < min || value > max) return t("field.range", { min, max });
  return value % step ? t("field.multiple", { step }) : null;
}

function costOf(count) {
  const { quota, budget } = me;
  const left = quota.remaining;
  const uses =
    left === null
      ? t("cost.unlimited", { n: count })
      : left === count
        ? t("cost.last", { n: count })
        : t("cost.day", { n: number(count), left: number(left) });
  const isScarcer = budget !== null && budget.remaining !== null && (left === null || budget.remaining < left);
  return isScarcer ? t("cost.both", { uses, department: t("cost.department", { n: budget.remaining }) }) : uses;
}
