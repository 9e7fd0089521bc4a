// The studio page comes alive: each part starts as soon as Gradio has put its place on the page.

import { showTab, startForm, usePrompt } from "./form.js";
import { startAccount } from "./account.js";
import { startAdmin } from "./admin.js";
import { startCost } from "./cost.js";
import { el, localise, whenThere } from "./dom.js";
import { startDraft } from "./draft.js";
import { Feed } from "./feed.js";
import { onMe, refreshMe, startHeader } from "./header.js";
import { startLimits } from "./limits.js";
import { followJobs, onJob, onQuiet } from "./live.js";
import { onService, refreshNotices, startNotices } from "./notices.js";
import { startRows } from "./rows.js";
import { t } from "./texts.js";
import { startToasts } from "./toast.js";
import { whenDeleted } from "./viewer.js";
import { Wall } from "./wall.js";

const EXAMPLES = ["1", "2", "3", "4", "5", "6"];
const RECENT = 24;
const PAGE = 48;

const walls = [];
const seen = new Map();

function canvas(root) {
  localise(root);
  const feed = new Feed(root.querySelector("#results"));
  const wall = new Wall(root.querySelector("#gallery"), { limit: RECENT, most: RECENT, empty: root.querySelector("#gallery-empty") });
  walls.push(wall);
  root.querySelector("#all-pictures").addEventListener("click", () => showTab("gallery"));
  offerExamples(root);
  onJob((job, first) => {
    feed.show(job, first);
    noticeChange(job);
  });
  onService(() => {
    feed.refresh();
    offerExamples(root);
  });
  onQuiet(() => {
    refreshMe();
    refreshNotices();
  });
  whenDeleted((id) => {
    feed.forgetPicture(id);
    for (const each of walls) each.forget(id);
  });
  wall.onChange = (empty) => document.body.classList.toggle("has-pictures", !empty);
  let started = false;
  onMe((me) => {
    if (!me.permissions.includes("job:create")) {
      root.querySelector(".blank-title").textContent = t("results.guest");
      root.querySelector(".blank-hint").textContent = t("results.guest-hint");
    }
    if (started || !me.permissions.includes("image:read")) return;
    started = true;
    wall.load();
    followJobs();
  });
}

/** New pictures go on the walls; a changed state or set of pictures changes the quota. */
function noticeChange(job) {
  // A waiting job whose time is suddenly unknown, or known: the queue was paused or goes on.
  const now = `${job.state}/${job.images.length}/${job.state === "queued" && job.eta_seconds === null}`;
  if (seen.get(job.id) === now) return;
  seen.set(job.id, now);
  for (const image of job.images) for (const wall of walls) wall.add(image);
  refreshMe();
  if (job.state === "queued") refreshNotices();
}

function library(root) {
  localise(root);
  const wall = new Wall(root.querySelector("#library"), { limit: PAGE, empty: root.querySelector("#library-empty"), more: root.querySelector("#library-more") });
  walls.push(wall);
  wall.load();
}

/** What the model that serves can paint: the demo model knows plain shapes alone. */
function offerExamples(root) {
  const kind = document.body.dataset.model === "demo" ? "demo-example" : "example";
  const place = root.querySelector("#examples");
  if (place.dataset.kind === kind) return;
  place.dataset.kind = kind;
  place.replaceChildren(...EXAMPLES.map((name) => example(t(`${kind}.${name}`))));
}

function example(words) {
  const button = el("button", { type: "button", class: "example", dir: "auto" }, words);
  button.addEventListener("click", () => usePrompt(words));
  return button;
}

startHeader();
startForm();
startLimits();
startCost();
startDraft();
startNotices();
startRows();
startAccount();
startAdmin();
startToasts();
whenThere("#canvas", canvas);
whenThere("#library-page", library);
