// One picture, large, with what made it. A native <dialog>: focus stays inside and Escape closes it.

import { copyText } from "./clipboard.js";
import { el } from "./dom.js";
import { reuse } from "./form.js";
import { icon } from "./icons.js";
import { ask, here } from "./server.js";
import { moment, number, t } from "./texts.js";
import { toast } from "./toast.js";

let dialog = null;
let shown = null;
let siblings = () => [];
const onDeleted = [];

/** `use(id)` when a picture went into the bin. */
export function whenDeleted(use) {
  onDeleted.push(use);
}

/** Show `image`; `among()` gives the pictures that the arrow keys walk through. */
export function showPicture(image, among) {
  siblings = among;
  if (!dialog) build();
  paint(image);
  if (!dialog.open) dialog.showModal();
}

function build() {
  const close = el("button", { type: "button", class: "icon-button viewer-close", "aria-label": t("client.close"), on: { click: () => dialog.close() } }, icon("close"));
  const back = el("button", { type: "button", class: "icon-button viewer-back", "aria-label": t("picture.newer"), on: { click: () => walk(-1) } }, icon("left"));
  const on = el("button", { type: "button", class: "icon-button viewer-on", "aria-label": t("picture.older"), on: { click: () => walk(1) } }, icon("right"));
  dialog = el("dialog", { class: "viewer", "aria-label": t("picture.viewer") }, el("div", { class: "viewer-stage" }, back, el("div", { class: "viewer-frame" }), on), el("div", { class: "viewer-side" }), close);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") walk(-1);
    if (event.key === "ArrowRight") walk(1);
  });
  dialog.addEventListener("close", () => dialog.querySelector(".viewer-frame").replaceChildren());
  document.body.append(dialog);
}

function walk(by) {
  const all = siblings();
  const next = all[all.findIndex((image) => image.id === shown.id) + by];
  if (next) paint(next);
}

function paint(image) {
  shown = image;
  const all = siblings();
  const place = all.findIndex((each) => each.id === image.id);
  dialog.querySelector(".viewer-back").disabled = place <= 0;
  dialog.querySelector(".viewer-on").disabled = place < 0 || place >= all.length - 1;
  const picture = el("img", { src: here(image.url), alt: image.prompt, width: image.width, height: image.height });
  // The thumbnail stands in until the original has come.
  picture.style.setProperty("background-image", `url("${here(image.thumb_url)}")`);
  dialog.querySelector(".viewer-frame").replaceChildren(picture);
  dialog.querySelector(".viewer-side").replaceChildren(...side(image));
}

function side(image) {
  const facts = [
    [t("picture.size"), `${image.width} × ${image.height}`],
    [t("picture.seed"), String(image.seed)],
    [t("picture.steps"), number(image.steps)],
    image.guidance_scale > 0 && [t("picture.guidance"), number(image.guidance_scale)],
    image.negative_prompt && [t("picture.negative"), image.negative_prompt],
    [t("picture.made"), moment(image.created_at)],
  ].filter(Boolean);
  const copy = el("button", { type: "button", class: "quiet-button", on: { click: () => copyText(image.prompt) } }, icon("copy"), t("picture.copy"));
  const download = el("a", { class: "button-primary", href: `${here(image.url)}?download`, download: "" }, icon("download"), t("picture.download"));
  const again = el("button", { type: "button", class: "button-secondary", on: { click: () => { dialog.close(); reuse(image); } } }, icon("reuse"), t("picture.reuse"));
  return [
    el("h2", {}, t("picture.words")),
    el("p", { class: "viewer-prompt", dir: "auto" }, image.prompt),
    copy,
    el("dl", {}, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value)))),
    el("div", { class: "viewer-actions" }, download, again, binButton(image)),
  ];
}

/** Two presses: the first one asks. */
function binButton(image) {
  let sure = false;
  const label = el("span", {}, t("picture.delete"));
  const button = el("button", { type: "button", class: "quiet-button danger" }, icon("bin"), label);
  button.addEventListener("blur", () => {
    sure = false;
    label.textContent = t("picture.delete");
  });
  button.addEventListener("click", async () => {
    if (!sure) {
      sure = true;
      label.textContent = t("picture.delete-sure");
      return;
    }
    button.disabled = true;
    await remove(image);
  });
  return button;
}

async function remove(image) {
  const all = siblings();
  const place = all.findIndex((each) => each.id === image.id);
  const next = all[place + 1] ?? all[place - 1];
  try {
    await ask(`api/v1/images/${image.id}`, { method: "DELETE" });
  } catch (error) {
    toast(error.message, "error");
    return;
  }
  for (const use of onDeleted) use(image.id);
  toast(t("picture.deleted"));
  if (next) paint(next);
  else dialog.close();
}
