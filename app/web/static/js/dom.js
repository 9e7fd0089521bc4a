// Small DOM helpers. Text is only ever set as text: nothing that a person wrote is parsed as HTML.

import { t } from "./texts.js";

/** An element with properties and children; `data`, `style` and `on` take objects, other keys are attributes. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "data") Object.assign(made.dataset, value);
    else if (key === "style") for (const [name, css] of Object.entries(value)) made.style.setProperty(name, css);
    else if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Fill static markup: `data-text` names the text, `data-label` the accessible name. */
export function localise(root) {
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = t(each.dataset.text);
  for (const each of root.querySelectorAll("[data-label]")) each.setAttribute("aria-label", t(each.dataset.label));
}

const waiting = [];

/** Call `use` with the element as soon as Gradio has put it on the page, and again if it puts a new one. */
export function whenThere(selector, use) {
  waiting.push({ selector, use, seen: new WeakSet() });
  look();
}

function look() {
  for (const { selector, use, seen } of waiting) {
    const found = document.querySelector(selector);
    if (found && !seen.has(found)) {
      seen.add(found);
      use(found);
    }
  }
}

new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
