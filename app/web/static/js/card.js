// One of my jobs as a card: what it waits for, how far it is, its pictures.

import { el } from "./dom.js";
import { reuse } from "./form.js";
import { Refused, ask, here } from "./server.js";
import { t } from "./texts.js";
import { about, placeInLine } from "./times.js";
import { toast } from "./toast.js";
import { showPicture } from "./viewer.js";

const UNFINISHED = ["queued", "running"];
// News that differ by less leave the countdown as it is: it would only flicker.
const STEADY_MS = 2500;

export class Card {
  constructor(job) {
    this.job = job;
    this.due = null;
    this.slots = new Map();
    this.asked = null;
    this.previewed = null;
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

  get isUnfinished() {
    return UNFINISHED.includes(this.job.state);
  }

  get isWaiting() {
    return this.job.state === "queued";
  }

  get isWithoutPictures() {
    return !this.isUnfinished && this.job.images.length === 0;
  }

  slot(index) {
    const slot = el("div", { class: "slot", style: { "--ratio": String(this.job.width / this.job.height) } });
    this.slots.set(index, slot);
    return slot;
  }

  update(job) {
    this.job = job;
    this.root.dataset.state = job.state;
    if (!this.isWorking) this.endPreview();
    for (const image of job.images) this.hang(image);
    const unfinished = this.isUnfinished;
    this.cancel.hidden = !unfinished;
    this.again.hidden = unfinished || job.state === "succeeded";
    if (!unfinished) for (const slot of this.slots.values()) if (!slot.firstChild) slot.remove();
    const done = this.portion();
    this.fill.style.setProperty("transform", `scaleX(${done})`);
    this.bar.hidden = !unfinished;
    this.bar.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    this.expect(job.eta_seconds);
    this.tick();
    this.bar.setAttribute("aria-valuetext", this.status.textContent);
    const working = job.state === "running" ? job.images.length : -1;
    for (const [index, slot] of this.slots) slot.classList.toggle("is-working", index === working);
    if (this.isWorking && job.preview) this.askPreview(working);
  }

  /** Some steps of a picture that is not there yet are done. */
  get isWorking() {
    const { job } = this;
    return job.state === "running" && Boolean(job.step) && job.images.length < job.count;
  }

  /** What the picture promises to be. */
  askPreview(index) {
    const { id, preview } = this.job;
    if (this.asked || preview === this.previewed || document.visibilityState === "hidden") return;
    this.previewed = preview;
    this.asked = el("img", { class: "preview", alt: t("picture.preview") });
    this.asked.addEventListener("load", (event) => this.preview(index, event.target));
    this.asked.addEventListener("error", () => (this.asked = null));
    // The number only keeps the browser from showing the last one again.
    this.asked.src = here(`api/v1/jobs/${id}/preview?n=${preview}`);
  }

  preview(index, picture) {
    this.asked = null;
    const slot = this.slots.get(index);
    if (!this.isWorking || !slot || slot.querySelector("button")) return;
    slot.replaceChildren(picture);
    slot.classList.add("is-there");
  }

  endPreview() {
    for (const picture of this.pictures.querySelectorAll(".preview")) {
      picture.parentElement.classList.remove("is-there");
      picture.remove();
    }
  }

  /** When the last picture will be there; null where nobody knows. */
  expect(seconds) {
    const due = seconds === null ? null : Date.now() + seconds * 1000;
    const isSteady = due !== null && this.due !== null && Math.abs(due - this.due) < Math.max(STEADY_MS, seconds * 100);
    if (!isSteady) this.due = due;
  }

  /** Say what is so now; only what has changed touches the page. */
  tick() {
    const words = this.statusText();
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  hang(image) {
    const slot = this.slots.get(image.index);
    if (!slot || slot.querySelector("button")) return;
    const shown = () => this.job.images;
    const picture = el("img", { src: here(image.url), alt: image.prompt, width: image.width, height: image.height, decoding: "async" });
    picture.addEventListener("load", () => slot.classList.add("is-there"));
    const open = el("button", { type: "button", class: "slot-open", "aria-label": t("picture.open"), on: { click: () => showPicture(image, shown) } }, picture);
    slot.replaceChildren(open);
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
    const steps = job.denoising_steps * job.count;
    return Math.min(1, (job.images.length * job.denoising_steps + (job.images.length < job.count ? (job.step ?? 0) : 0)) / steps);
  }

  statusText() {
    const { job } = this;
    if (this.isWaiting) return this.waitingText();
    if (job.state === "running") return this.runningText();
    if (job.state === "failed") return job.error?.message ?? t("job.failed");
    if (job.state === "cancelled") return job.images.length ? t("job.cancelled-some", { n: job.images.length }) : t("job.cancelled");
    const facts = [`${job.width} × ${job.height}`, t("picture.steps-n", { n: job.steps }), t("picture.seed-n", { seed: job.seed })];
    return [...facts, ...this.cacheTexts()].join(" · ");
  }

  /** Which of the pictures were there already, and whether they cost anything. */
  cacheTexts() {
    const { images } = this.job;
    const cached = images.filter((image) => image.cached);
    if (!cached.length) return [];
    const isAll = cached.length === images.length;
    const words = isAll ? t("job.from-cache") : t("job.from-cache-some", { n: cached.length, count: images.length });
    return cached.some((image) => image.charged) ? [words] : [words, t("job.free")];
  }

  waitingText() {
    const { position, bulk } = this.job;
    const { service } = document.body.dataset;
    const parts = [position === null ? t("job.queued") : placeInLine(position)];
    if (service === "draining" || service === "paused") parts.push(t(`job.${service}`));
    else if (this.due !== null) parts.push(about(this.secondsLeft()));
    if (bulk) parts.push(t("job.bulk"));
    return parts.join(" · ");
  }

  runningText() {
    const { job } = this;
    if (!job.step && !job.images.length) return t("job.starting");
    const isLast = job.images.length >= job.count - 1;
    if (isLast && job.step >= job.denoising_steps) return t("job.finishing");
    const parts = [t("job.step", { step: job.step ?? 0, steps: job.denoising_steps })];
    if (job.count > 1) parts.push(t("job.of", { index: Math.min(job.images.length + 1, job.count), count: job.count }));
    if (this.due !== null) parts.push(about(this.secondsLeft()));
    return parts.join(" · ");
  }

  secondsLeft() {
    return (this.due - Date.now()) / 1000;
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
