"""What many people ask for: new prompts each time, short and long in turns, so that nothing was encoded before."""

import itertools
from typing import Final

from app.domain.ports import EngineRequest, PictureOrder

PROMPTS: Final = (
    "a red lantern, {number}",
    "a photo of a quiet river at dusk with a red lantern over the water, soft light, number {number}",
    "一只红色的灯笼挂在河边的老房子前,黄昏,第 {number} 张",
    (
        "a wide view of a harbour in the early morning: fishing boats with peeling paint, nets that dry in the sun, "
        "gulls on the pier, a woman in a yellow coat who carries a basket, a lighthouse far away in the haze, film "
        "grain, muted colours, 35 mm, taken from a low angle with the water close to the lens, number {number}"
    ),
)
NUMBERS: Final = itertools.count()


def request_for(side: int, steps: int) -> EngineRequest:
    """One square picture for somebody else each time."""
    number = next(NUMBERS)
    return EngineRequest(
        job_id=f"person{number}",
        attempt=1,
        prompt=PROMPTS[number % len(PROMPTS)].format(number=number),
        negative_prompt="",
        width=side,
        height=side,
        steps=steps,
        guidance_scale=0.0,
        pictures=(PictureOrder(index=0, seed=number),),
    )
