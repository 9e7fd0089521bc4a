// Pictures hung side by side in rows of equal height: the recent ones, and the whole gallery page by page.

import { el } from "./dom.js";
import { reuse } from "./form.js";
import { icon } from "./icons.js";
import { ask, here } from "./server.js";
import { t } from "./texts.js";
import { toast } from "./toast.js";
import { showPicture } from "./viewer.js";

/** `root` is filled with tiles; `limit` is the size of a page, `most` how many are kept at most. */
export class Wall {
  constructor(root, { limit, most = Infinity, empty = null, more = null }) {
    Object.assign(this, { root, limit, most, empty, more });
    this.images = [];
    this.tiles = new Map();
    this.cursor = null;
    this.root.setAttribute("aria-busy", "true");
    for (let place = 0; place < 6; place += 1) this.root.append(el("div", { class: "tile is-blank", style: { "--ratio": "1" } }));
    more?.addEventListener("click", () => this.load());
  }

  async load() {
    if (this.more) this.more.disabled = true;
    try {
      const from = this.cursor === null ? "" : `&cursor=${encodeURIComponent(this.cursor)}`;
      const page = await ask(`api/v1/images?limit=${this.limit}${from}`);
      this.cursor = page.next_cursor;
      this.ready();
      for (const image of page.items) this.hang(image, "append");
    } catch (error) {
      toast(error.message, "error");
    } finally {
      this.ready();
      this.settle();
      if (this.more) this.more.disabled = false;
    }
  }

  /** A picture that was just made goes first. */
  add(image) {
    this.ready();
    this.hang(image, "prepend");
    while (this.images.length > this.most) this.forget(this.images[this.images.length - 1].id);
    this.settle();
  }

  forget(id) {
    this.images = this.images.filter((image) => image.id !== id);
    this.tiles.get(id)?.remove();
    this.tiles.delete(id);
    this.settle();
  }

  ready() {
    this.root.removeAttribute("aria-busy");
    for (const blank of this.root.querySelectorAll(".is-blank")) blank.remove();
  }

  settle() {
    this.onChange?.(this.images.length === 0);
    if (this.empty) this.empty.hidden = this.images.length > 0;
    if (this.more) this.more.hidden = this.cursor === null;
  }

  hang(image, where) {
    if (this.tiles.has(image.id)) return;
    const tile = this.tile(image);
    this.tiles.set(image.id, tile);
    if (where === "prepend") this.images.unshift(image);
    else this.images.push(image);
    this.root[where](tile);
  }

  tile(image) {
    const picture = el("img", { src: here(image.thumb_url), alt: image.prompt, loading: "lazy", decoding: "async" });
    const open = el("button", { type: "button", class: "tile-open", on: { click: () => showPicture(image, () => this.images) } }, picture);
    const take = el("button", { type: "button", class: "tile-button", title: t("picture.reuse"), "aria-label": t("picture.reuse"), on: { click: () => reuse(image) } }, icon("reuse"));
    const save = el("a", { class: "tile-button", href: `${here(image.url)}?download`, download: "", title: t("picture.download"), "aria-label": t("picture.download") }, icon("download"));
    const caption = el("div", { class: "tile-caption" }, el("span", { class: "tile-prompt", dir: "auto" }, image.prompt), el("span", { class: "tile-buttons" }, take, save));
    return el("figure", { class: "tile", style: { "--ratio": String(image.width / image.height) } }, open, caption);
  }
}
