// My jobs as cards: what waits and runs in #queue, what this click has finished below it, all inside #results.

import { Card } from "./card.js";
import { Refused, ask } from "./server.js";
import { t } from "./texts.js";
import { toast } from "./toast.js";

const NARROW = matchMedia("(max-width: 999px)");
const TICK_MS = 1000;
// The pictures of more than that are on the wall beneath.
const MOST_FINISHED = 12;
// From so many waiting cards on, they can be cancelled together.
const MANY = 3;
const CANCELLED_AT_ONCE = 3;
const cards = new Map();

/** The cards in `root`, which holds #queue and #finished. */
export class Feed {
  constructor(root) {
    this.head = root.querySelector("#queue-head");
    this.waiting = root.querySelector("#waiting");
    this.current = root.querySelector("#current");
    this.finished = root.querySelector("#finished");
    this.spoken = root.parentElement.querySelector("#spoken");
    this.isArranging = false;
    const all = this.head.querySelector("button");
    all.dataset.sure = t("admin.sure");
    all.addEventListener("sure", () => this.cancelWaiting(all));
    setInterval(() => this.tick(), TICK_MS);
  }

  show(job, first) {
    let card = cards.get(job.id);
    const isNew = !card;
    if (isNew) {
      card = new Card(job);
      // What ended elsewhere, or before this page was opened, is in the gallery already.
      if (!card.isUnfinished && Date.now() - Date.parse(job.created_at) > 60_000) return;
      if (!first) this.clearFinished();
      cards.set(job.id, card);
    }
    const before = card.job.state;
    card.update(job);
    if (!card.isUnfinished && (isNew || before !== job.state)) this.finish(card);
    if (before !== job.state || (isNew && !first)) this.spoken.textContent = card.statusText();
    this.arrangeSoon();
    // On narrow screens the form stands above: show what the click has started.
    if (isNew && !first && NARROW.matches) queueMicrotask(() => card.root.scrollIntoView({ block: "nearest" }));
  }

  forgetPicture(id) {
    for (const card of cards.values()) card.forgetPicture(id);
    this.arrangeSoon();
  }

  /** Say again what each job waits for. */
  refresh() {
    for (const card of cards.values()) card.tick();
  }

  tick() {
    if (document.visibilityState === "hidden") return;
    for (const card of cards.values()) if (card.due !== null && card.isUnfinished) card.tick();
  }

  /** Once for all the news that came together. */
  arrangeSoon() {
    if (this.isArranging) return;
    this.isArranging = true;
    queueMicrotask(() => {
      this.isArranging = false;
      this.arrange();
    });
  }

  /** Newest on top, like the clicks. Only what comes next keeps its full place; longer queues stay short. */
  arrange() {
    const unfinished = [...cards.values()].filter((card) => card.isUnfinished).sort(newestFirst);
    const full = unfinished.length > 2 ? soonest(unfinished) : unfinished;
    const compact = unfinished.filter((card) => !full.includes(card));
    for (const card of unfinished) card.root.classList.toggle("is-compact", !full.includes(card));
    hang(this.waiting, compact);
    hang(this.current, full);
    const waiting = unfinished.filter((card) => card.isWaiting).length;
    this.head.hidden = waiting < MANY;
    this.head.querySelector("p").textContent = t("job.waiting-n", { n: waiting });
    document.body.classList.toggle("has-jobs", [...cards.values()].some((card) => !card.isWithoutPictures));
  }

  /** What was cancelled before it had begun needs no card for each: the last one says it for all. */
  finish(card) {
    if (card.job.state === "cancelled" && card.isWithoutPictures) {
      for (const other of cards.values()) {
        if (other !== card && other.job.state === "cancelled" && other.isWithoutPictures) this.drop(other);
      }
    }
    this.finished.prepend(card.root);
    const kept = new Set([...this.finished.children].slice(0, MOST_FINISHED));
    for (const other of cards.values()) if (!other.isUnfinished && !kept.has(other.root)) this.drop(other);
  }

  clearFinished() {
    for (const card of cards.values()) if (!card.isUnfinished) this.drop(card);
  }

  drop(card) {
    card.root.remove();
    cards.delete(card.job.id);
  }

  /** Also those that are so far behind that they have no card here. */
  async cancelWaiting(button) {
    button.disabled = true;
    let ended = 0;
    try {
      for (;;) {
        // Newest first: none of them begins meanwhile.
        const { items } = await ask("api/v1/jobs?state=queued&limit=100");
        const gone = await cancelEach(items);
        ended += gone;
        if (gone === 0) break;
      }
      if (ended > 0) toast(t("job.cancelled-n", { n: ended }));
    } catch (error) {
      toast(error.message, "error");
    } finally {
      button.disabled = false;
    }
  }
}

const newestFirst = (one, other) => (one.job.created_at < other.job.created_at ? 1 : -1);

/** What runs, or else what will run next. */
function soonest(unfinished) {
  const running = unfinished.filter((card) => !card.isWaiting);
  if (running.length > 0) return running;
  const place = (card) => card.job.position ?? Infinity;
  return [unfinished.reduceRight((best, card) => (place(card) < place(best) ? card : best))];
}

/** Move only what does not stand there already. */
function hang(container, wanted) {
  wanted.forEach(({ root }, place) => {
    if (container.children[place] !== root) container.insertBefore(root, container.children[place] ?? null);
  });
}

/** How many could be cancelled; the others had ended already. */
async function cancelEach(jobs) {
  const left = [...jobs];
  let gone = 0;
  const work = async () => {
    for (let job = left.shift(); job; job = left.shift()) {
      try {
        await ask(`api/v1/jobs/${job.id}`, { method: "DELETE" });
        gone += 1;
      } catch (error) {
        if (!(error instanceof Refused && [404, 409].includes(error.status))) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: CANCELLED_AT_ONCE }, work));
  return gone;
}
