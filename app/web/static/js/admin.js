// Rows of the admin tables: a button in a row names its subject, then presses the Gradio button that acts on it.

import { localise, whenThere } from "./dom.js";
import { t } from "./texts.js";
import { toast } from "./toast.js";

let chosen = "";
window.atelier.chosen = () => chosen;

export function startAdmin() {
  whenThere("#person-heading .is-new", localise);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-press]");
    if (button) press(button);
    const copy = event.target.closest?.("[data-copy]");
    if (copy) copyText(copy.dataset.copy);
  });
}

/** `data-sure` asks for a second press. */
function press(button) {
  if (button.dataset.sure && button.dataset.asked !== "yes") {
    const before = button.textContent;
    button.dataset.asked = "yes";
    button.textContent = button.dataset.sure;
    button.addEventListener("blur", () => {
      button.dataset.asked = "";
      button.textContent = before;
    }, { once: true });
    return;
  }
  chosen = button.dataset.subject ?? "";
  document.querySelector(button.dataset.press)?.click();
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("client.copied"));
  } catch {
    toast(t("client.not-copied"), "error");
  }
}
