"""The studio: the form on the left, what happens to each click and the recent pictures on the right."""

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.flows.studio import Studio
from app.flows.submit import submit
from app.web.components import fragment, markup, number, unseen_button
from app.web.forms import DEFAULTS, FIELDS, SIZES, request_body
from app.web.handlers import PRIVATE, Click, shown
from app.web.texts import label

# Our scripts keep the values; these run in the browser and never reach the server.
TYPED: Final = "(...values) => { window.atelier.typed(values); window.atelier.weigh(values); }"
# Gradio waits for what this promises: a click without a connection goes on when the server answers again.
SENDING: Final = "(...values) => window.atelier.send(values)"
SENT: Final = "() => window.atelier.sent()"
REFUSED: Final = "() => { window.atelier.sent(); window.atelier.refused(); }"
RECIPE: Final = "() => window.atelier.recipe()"
DICE: Final = "() => window.atelier.randomSeed()"
SIZE_CHOSEN: Final = "(choice) => window.atelier.sizeOf(choice)"
SIZE_TYPED: Final = "(width, height) => window.atelier.choiceOf(width, height, {choices})"
GUIDANCE_TYPED: Final = "(guidance) => ({__type__: 'update', visible: guidance > 0})"


@dataclass(frozen=True, slots=True)
class GenerateTab:
    """What depends on who has come."""

    generate: gr.Button
    reason: gr.HTML


def build(studio: Studio) -> GenerateTab:
    with gr.Tab(label("tab.generate"), id="generate", elem_id="tab-generate"), gr.Row(elem_id="studio"):
        with gr.Column(elem_id="composer", scale=0, min_width=320):
            fields, size, dice = _fields()
            reason = markup(elem_id="reason")
            fragment("cost")
            generate = gr.Button(label("form.generate"), variant="primary", size="lg", elem_id="generate")
            fragment("hint")
        with gr.Column(elem_id="canvas-column", scale=1, min_width=320):
            fragment("canvas")
        apply = unseen_button("apply-recipe")
    apply.click(None, js=RECIPE, outputs=[fields[name] for name in FIELDS])
    _in_the_browser(fields, size, dice)
    _on_click(studio, generate, fields)
    return GenerateTab(generate, reason)


def _fields() -> tuple[dict[str, Any], gr.Radio, gr.Button]:
    """The inputs by the names of the request, the size buttons and the dice."""
    fields: dict[str, Any] = {
        "prompt": gr.Textbox(
            label=label("field.prompt"),
            placeholder=label("form.prompt-hint"),
            lines=5,
            max_lines=14,
            autofocus=True,
            elem_id="prompt",
        )
    }
    choices = [(name, f"{width}x{height}") for name, width, height in SIZES]
    size = gr.Radio(choices, value="1024x1024", label=label("form.size"), elem_id="size")
    with gr.Row(elem_classes="pair sides"):
        fields["width"] = number("field.width", DEFAULTS["width"], elem_id="width", step=16)
        fields["height"] = number("field.height", DEFAULTS["height"], elem_id="height", step=16)
    with gr.Row(elem_classes="pair"):
        fields["steps"] = number("field.steps", DEFAULTS["steps"], elem_id="steps")
        fields["count"] = number("field.count", DEFAULTS["count"], elem_id="count")
    with gr.Row(elem_classes="pair seed-row"):
        fields["seed"] = gr.Textbox(
            label=label("field.seed"), placeholder=label("form.seed-hint"), max_lines=1, elem_id="seed"
        )
        dice = gr.Button(label("form.dice"), elem_id="dice", min_width=44, scale=0)
    with gr.Accordion(label("form.advanced"), open=False, elem_id="advanced"):
        fields["guidance_scale"] = number(
            "field.guidance-scale",
            DEFAULTS["guidance_scale"],
            elem_id="guidance",
            step=0.5,
            info=label("form.guidance-hint"),
        )
        fields["negative_prompt"] = gr.Textbox(
            label=label("field.negative-prompt"), lines=2, max_lines=6, visible=False, elem_id="negative-prompt"
        )
        fields["bulk"] = gr.Checkbox(label=label("field.bulk"), info=label("form.bulk-hint"), elem_id="bulk")
    return fields, size, dice


def _in_the_browser(fields: dict[str, Any], size: gr.Radio, dice: gr.Button) -> None:
    """What needs no server: the size buttons, the dice, and taking over the parameters of a picture."""
    sides = [fields["width"], fields["height"]]
    known = [value for _, value in size.choices]
    size.input(None, js=SIZE_CHOSEN, inputs=[size], outputs=sides)
    for side in sides:
        side.change(None, js=SIZE_TYPED.format(choices=known), inputs=sides, outputs=[size])
    guidance = fields["guidance_scale"]
    guidance.change(None, js=GUIDANCE_TYPED, inputs=[guidance], outputs=[fields["negative_prompt"]])
    dice.click(None, js=DICE, outputs=[fields["seed"]])
    every = [fields[name] for name in FIELDS]
    gr.on([field.change for field in every], None, js=TYPED, inputs=every)


def _on_click(studio: Studio, generate: gr.Button, fields: dict[str, Any]) -> None:
    @shown(studio, Permission.JOB_CREATE)
    def send(click: Click, *values: object) -> None:
        body = request_body(dict(zip(FIELDS, values, strict=True)))
        submit(studio, click.actor, body, origin=click.origin)

    inputs = [fields[name] for name in FIELDS]
    sending = generate.click(send, inputs=inputs, js=SENDING, trigger_mode="once", **PRIVATE)
    sending.success(None, js=SENT)
    sending.failure(None, js=REFUSED)
