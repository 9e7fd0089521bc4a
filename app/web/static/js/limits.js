// What the role allows, on the page before the click: ranges beside the numbers, sizes that fit, a form that can be sent.

import { el, whenThere } from "./dom.js";
import { BLANK, adjust } from "./form.js";
import { onMe } from "./header.js";

const LOWEST_SIDE = 256;
const SIDE_STEP = 16;

let ranges = null;
const inputs = new Map();

/** The lowest, the highest and the step of each number, as app/domain/generation.py has them. */
export function rangesOf(limits) {
  const side = { min: LOWEST_SIDE, max: limits.max_side, step: SIDE_STEP };
  return { width: side, height: side, steps: { min: 1, max: limits.max_steps, step: 1 }, count: { min: 1, max: limits.max_count, step: 1 } };
}

export function startLimits() {
  for (const name of ["width", "height", "steps", "count"]) {
    whenThere(`#${name} input[type=number]`, (input) => {
      inputs.set(name, input);
      if (ranges) mark(name);
    });
  }
  whenThere("#size", () => ranges && offerSizes());
  onMe((me) => {
    const isFirst = ranges === null;
    ranges = rangesOf(me.limits);
    for (const name of inputs.keys()) mark(name);
    offerSizes();
    if (isFirst) fitBlank();
  });
}

/** Not inside the label: it would become a part of the field's name. */
function mark(name) {
  const { min, max } = ranges[name];
  const input = inputs.get(name);
  input.min = String(min);
  input.max = String(max);
  const block = input.closest(".block:not(label)");
  let hint = block.querySelector(".field-range");
  if (!hint) {
    hint = el("span", { class: "field-range", id: `${name}-range` });
    block.append(hint);
    input.setAttribute("aria-describedby", hint.id);
  }
  hint.textContent = min === max ? String(max) : `${min}–${max}`;
}

function offerSizes() {
  for (const input of document.querySelectorAll("#size input")) {
    input.closest("label").hidden = Math.max(...input.value.split("x").map(Number)) > ranges.width.max;
  }
}

/** Whoever may have less than the form begins with begins with that. What stands there already stays. */
function fitBlank() {
  const smaller = {};
  for (const [name, { max, step }] of Object.entries(ranges)) {
    const fitting = max - (max % step);
    if (BLANK[name] <= fitting) continue;
    if (!inputs.has(name) || Number(inputs.get(name).value) === BLANK[name]) smaller[name] = fitting;
    BLANK[name] = fitting;
  }
  if (Object.keys(smaller).length > 0) whenThere("#apply-recipe", () => adjust(smaller));
}
