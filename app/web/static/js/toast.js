// Short messages in the corner: what our own scripts have to say. Gradio shows the errors of its events itself.

import { el, whenThere } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./texts.js";

const SHOWN_MS = { info: 4000, error: 9000 };
let region = null;

/** The function that takes it away again; `held` ones stay until it is called. */
export function toast(message, kind = "info") {
  if (!region) {
    region = el("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  const close = el("button", { type: "button", class: "icon-button", "aria-label": t("client.close") }, icon("close"));
  const shown = el("div", { class: `toast toast-${kind}` }, el("p", {}, message), close);
  const remove = () => shown.remove();
  close.addEventListener("click", remove);
  region.append(shown);
  if (kind !== "held") setTimeout(remove, SHOWN_MS[kind]);
  return remove;
}

/** Gradio's toasts put a button inside a button; ours is the inner one, and the message is announced. */
export function startToasts() {
  whenThere(".toast-header[role]", (header) => {
    header.removeAttribute("role");
    header.removeAttribute("tabindex");
    header.querySelector("[data-testid='toast-close']")?.setAttribute("aria-label", t("client.close"));
    header.closest(".toast-body")?.setAttribute("role", "alert");
  });
}
