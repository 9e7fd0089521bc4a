// What the server renders: a button in a row names its subject, then presses the Gradio button that acts on it.

import { copyText } from "./clipboard.js";
import { localise, whenThere } from "./dom.js";

let chosen = "";
let armed = null;
let disarm = () => {};
window.atelier.chosen = () => chosen;

export function startRows() {
  whenThere("#person-heading .is-new", localise);
  for (const head of ["#role-heading", "#budget-heading", "#model-heading"]) whenThere(`${head} .is-none`, localise);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-press], [data-sure]");
    if (button) press(button);
    const copy = event.target.closest?.("[data-copy]");
    if (copy) copyText(copy.dataset.copy);
  });
}

/** `data-sure` asks for a second press; a button of our own scripts is told of it by an event. */
function press(button) {
  const isSure = !button.dataset.sure || button === armed;
  disarm();
  if (!isSure) {
    arm(button);
    return;
  }
  chosen = button.dataset.subject ?? "";
  if (button.dataset.press) document.querySelector(button.dataset.press)?.click();
  else button.dispatchEvent(new Event("sure"));
}

function arm(button) {
  const before = [...button.childNodes];
  armed = button;
  button.dataset.armed = "";
  button.replaceChildren(button.dataset.sure);
  // Safari gives no focus to a button that is clicked, and without focus there is no blur.
  button.focus();
  const forget = () => {
    button.removeEventListener("blur", forget);
    delete button.dataset.armed;
    button.replaceChildren(...before);
    armed = null;
    disarm = () => {};
  };
  disarm = forget;
  button.addEventListener("blur", forget);
}
