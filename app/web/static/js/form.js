// The form on the left: Ctrl+Enter, plus and minus beside small numbers, and taking over the parameters of a picture.

import { el, localise, whenThere } from "./dom.js";
import { language } from "./texts.js";

let recipe = null;

// Gradio's events call these by name: the only way in for values that do not come from its own components.
window.atelier = {
  recipe: () => recipe,
  sending: (sent) => document.body.classList.toggle("is-sending", sent),
  randomSeed: () => String(crypto.getRandomValues(new Uint32Array(1))[0]),
  sizeOf: (choice) => choice.split("x").map(Number),
  choiceOf: (width, height, choices) => (choices.includes(`${width}x${height}`) ? `${width}x${height}` : null),
};

/** Fill the form with what made a picture; its own seed and a count of one make the same picture again. */
export function reuse({ prompt, negative_prompt, width, height, steps, guidance_scale, seed }) {
  recipe = [prompt, negative_prompt, width, height, steps, guidance_scale, seed === null ? "" : String(seed), 1];
  document.querySelector("#apply-recipe")?.click();
  showTab("generate");
  document.querySelector("#prompt textarea")?.focus();
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
    const { min, max } = input.closest("#steps") ? { min: 1, max: 50 } : { min: 1, max: 4 };
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
