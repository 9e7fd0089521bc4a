// The form on the left: Ctrl+Enter, plus and minus beside small numbers, and taking over the parameters of a picture.

import { el, localise, whenThere } from "./dom.js";
import { language } from "./texts.js";

/** The fields of a request in the order of app/web/forms.py, as they stand before anybody has typed. */
export const BLANK = { prompt: "", negative_prompt: "", width: 1024, height: 1024, steps: 8, guidance_scale: 0, seed: "", count: 1, bulk: false };

// What Gradio takes as: leave it as it is.
const KEPT = { __type__: "update" };

let recipe = null;

// Gradio's events call these by name: the only way in for values that do not come from its own components.
window.atelier = {
  recipe: () => recipe,
  randomSeed: () => String(crypto.getRandomValues(new Uint32Array(1))[0]),
  sizeOf: (choice) => choice.split("x").map(Number),
  choiceOf: (width, height, choices) => (choices.includes(`${width}x${height}`) ? `${width}x${height}` : null),
};

/** Fill the form with what made a picture; its own seed and a count of one make the same picture again. */
export function reuse({ prompt, negative_prompt, width, height, steps, guidance_scale, seed }) {
  fill({ prompt, negative_prompt, width, height, steps, guidance_scale, seed: seed === null ? "" : String(seed) });
  showTab("generate");
  document.querySelector("#prompt textarea")?.focus();
}

/** Every field; what `values` does not name is blank. */
export function whole(values) {
  return Object.fromEntries(Object.entries(BLANK).map(([name, blank]) => [name, name in values ? values[name] : blank]));
}

/** Set the whole form through Gradio, which must know what stands there. */
export function fill(values) {
  recipe = Object.values(whole(values));
  document.querySelector("#apply-recipe")?.click();
}

/** Set only some of the fields. */
export function adjust(values) {
  recipe = Object.keys(BLANK).map((name) => (name in values ? values[name] : KEPT));
  document.querySelector("#apply-recipe")?.click();
}

/** Only the words; everything else stays as it is set. */
export function usePrompt(prompt) {
  const field = document.querySelector("#prompt textarea");
  if (!field) return;
  field.value = prompt;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

export function showTab(name) {
  document.querySelector(`#tab-${name}-button`)?.click();
}

export function startForm() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    if (!event.target.closest?.("#composer")) return;
    event.preventDefault();
    document.querySelector("#generate")?.click();
  });
  for (const name of ["steps", "count"]) whenThere(`#${name} input[type=number]`, addStepper);
  whenThere("#composer .hint", (hint) => localise(hint));
  for (const name of ["size", "person-role"]) whenThere(`#${name}`, nameGroup);
  whenThere("#prompt textarea", (field) => field.setAttribute("lang", language));
}

/** Gradio's radio groups have a title that nothing ties to them. */
function nameGroup(group) {
  const title = group.querySelector('[data-testid="block-info"]');
  if (!title) return;
  title.id ||= `${group.id}-title`;
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-labelledby", title.id);
}

/** The number field itself is what keyboards and screen readers use; the two buttons are for the mouse. */
function addStepper(input) {
  const step = (by) => () => {
    if (!input.max) return; // who has come is not known yet
    const [min, max] = [Number(input.min), Number(input.max)];
    const now = Number.parseInt(input.value, 10);
    input.value = String(Math.min(max, Math.max(min, (Number.isNaN(now) ? min : now) + by)));
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const button = (text, by) =>
    el("button", { type: "button", class: "step-button", tabindex: "-1", "aria-hidden": "true", on: { click: step(by) } }, text);
  // Not inside the label: it would name the button instead of the field.
  const block = input.closest(".block:not(label)");
  block.classList.add("stepper");
  block.append(button("−", -1), button("+", 1));
}
