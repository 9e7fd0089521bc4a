// My jobs as cards: what waits and runs in #queue, what this click has finished below it, all inside #results.

import { el } from "./dom.js";
import { reuse } from "./form.js";
import { Refused, ask, here } from "./server.js";
import { t } from "./texts.js";
import { toast } from "./toast.js";
import { showPicture } from "./viewer.js";

const UNFINISHED = ["queued", "running"];
const NARROW = matchMedia("(max-width: 999px)");
const cards = new Map();

/** The cards in `root`, which holds #queue and #finished. */
export class Feed {
  constructor(root) {
    this.queue = root.querySelector("#queue");
    this.finished = root.querySelector("#finished");
    this.spoken = root.parentElement.querySelector("#spoken");
  }

  show(job, first) {
    let card = cards.get(job.id);
    if (!card) {
      // What ended elsewhere, or before this page was opened, is in the gallery already.
      if (!UNFINISHED.includes(job.state) && Date.now() - Date.parse(job.created_at) > 60_000) return;
      if (!first) this.clearFinished();
      card = new Card(job);
      cards.set(job.id, card);
      this.place(card);
      // On narrow screens the form stands above: show what the click has started.
      if (!first && NARROW.matches) card.root.scrollIntoView({ block: "nearest" });
    }
    const before = card.job.state;
    card.update(job);
    if (before !== job.state && !UNFINISHED.includes(job.state)) this.finished.prepend(card.root);
    this.speak(card, before);
    this.arrange();
  }

  forgetPicture(id) {
    for (const card of cards.values()) card.forgetPicture(id);
    this.arrange();
  }

  /** Say again what each job waits for. */
  refresh() {
    for (const card of cards.values()) card.update(card.job);
  }

  /** Newest on top, like the clicks. */
  place(card) {
    if (!UNFINISHED.includes(card.job.state)) {
      this.finished.prepend(card.root);
      return;
    }
    const older = [...this.queue.children].find((other) => other.dataset.created < card.root.dataset.created);
    this.queue.insertBefore(card.root, older ?? null);
  }

  /** Only what comes next keeps its full place; longer queues stay short. */
  arrange() {
    const waiting = [...this.queue.children];
    const full = waiting.length > 2 ? 1 : 2;
    for (const [place, root] of waiting.entries()) root.classList.toggle("is-compact", place < waiting.length - full);
    const worth = ({ job }) => UNFINISHED.includes(job.state) || job.images.length > 0;
    document.body.classList.toggle("has-jobs", [...cards.values()].some(worth));
  }

  clearFinished() {
    for (const [id, card] of cards) {
      if (UNFINISHED.includes(card.job.state)) continue;
      card.root.remove();
      cards.delete(id);
    }
  }

  speak(card, before) {
    const { job } = card;
    if (job.state !== before || job.state === "queued") this.spoken.textContent = card.statusText();
  }
}

class Card {
  constructor(job) {
    this.job = job;
    this.slots = new Map();
    this.cancel = el("button", { type: "button", class: "quiet-button cancel", on: { click: () => this.stop() } }, t("job.cancel"));
    this.again = el("button", { type: "button", class: "quiet-button", hidden: true, on: { click: () => reuse(job) } }, t("job.again"));
    this.status = el("p", { class: "job-status" });
    this.fill = el("div", { class: "bar-fill" });
    this.bar = el("div", { class: "progress-bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": t("job.progress") }, this.fill);
    this.pictures = el("div", { class: "job-pictures", data: { count: job.count } });
    for (let index = 0; index < job.count; index += 1) this.pictures.append(this.slot(index));
    this.root = el(
      "article",
      { class: "job", data: { job: job.id, created: job.created_at } },
      el("header", {}, el("p", { class: "job-prompt", dir: "auto" }, job.prompt), this.cancel, this.again),
      el("div", { class: "job-progress" }, this.bar, this.status),
      this.pictures,
    );
  }

  slot(index) {
    const slot = el("div", { class: "slot", style: { "--ratio": String(this.job.width / this.job.height) } });
    this.slots.set(index, slot);
    return slot;
  }

  update(job) {
    this.job = job;
    this.root.dataset.state = job.state;
    for (const image of job.images) this.hang(image);
    const unfinished = UNFINISHED.includes(job.state);
    this.cancel.hidden = !unfinished;
    this.again.hidden = unfinished || job.state === "succeeded";
    if (!unfinished) for (const slot of this.slots.values()) if (!slot.firstChild) slot.remove();
    const done = this.portion();
    this.fill.style.setProperty("transform", `scaleX(${done})`);
    this.bar.hidden = !unfinished;
    this.bar.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    this.bar.setAttribute("aria-valuetext", this.statusText());
    this.status.textContent = this.statusText();
    const working = job.state === "running" ? job.images.length : -1;
    for (const [index, slot] of this.slots) slot.classList.toggle("is-working", index === working);
  }

  hang(image) {
    const slot = this.slots.get(image.index);
    if (!slot || slot.firstChild) return;
    const shown = () => this.job.images;
    const picture = el("img", { src: here(image.url), alt: image.prompt, width: image.width, height: image.height, decoding: "async" });
    picture.addEventListener("load", () => slot.classList.add("is-there"));
    const open = el("button", { type: "button", class: "slot-open", "aria-label": t("picture.open"), on: { click: () => showPicture(image, shown) } }, picture);
    slot.append(open);
  }

  forgetPicture(id) {
    const gone = this.job.images.find((image) => image.id === id);
    if (!gone) return;
    this.job.images = this.job.images.filter((image) => image !== gone);
    this.slots.get(gone.index)?.remove();
  }

  portion() {
    const { job } = this;
    if (job.state === "succeeded") return 1;
    const steps = job.steps * job.count;
    return Math.min(1, (job.images.length * job.steps + (job.images.length < job.count ? (job.step ?? 0) : 0)) / steps);
  }

  statusText() {
    const { job } = this;
    if (job.state === "queued") return document.body.dataset.service === "paused" ? t("job.paused") : t("job.queued");
    if (job.state === "running") {
      const place = { index: Math.min(job.images.length + 1, job.count), count: job.count };
      if (!job.step && !job.images.length) return t("job.starting");
      if (job.step >= job.steps) return t("job.finishing");
      const step = t("job.step", { step: job.step ?? 0, steps: job.steps });
      return job.count > 1 ? `${step} · ${t("job.of", place)}` : step;
    }
    if (job.state === "failed") return job.error?.message ?? t("job.failed");
    if (job.state === "cancelled") return job.images.length ? t("job.cancelled-some", { n: job.images.length }) : t("job.cancelled");
    const facts = [`${job.width} × ${job.height}`, t("picture.steps-n", { n: job.steps }), t("picture.seed-n", { seed: job.seed })];
    return facts.join(" · ");
  }

  async stop() {
    this.cancel.disabled = true;
    try {
      await ask(`api/v1/jobs/${this.job.id}`, { method: "DELETE" });
    } catch (error) {
      // 409: it ended while the finger was on its way.
      if (!(error instanceof Refused && error.status === 409)) toast(error.message, "error");
      this.cancel.disabled = false;
    }
  }
}
