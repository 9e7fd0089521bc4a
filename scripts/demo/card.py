"""What the model is, and how well it obeys, for whoever opens its folder."""

from collections.abc import Sequence

from scripts.demo.scenes import SHAPES
from scripts.demo.scoring import STEPS, Score

CARD = """\
# The demo model

A complete Z-Image pipeline with the true classes at toy size, {size:.1f} MB, trained from nothing by
`scripts/train_demo_model --seed {seed}` on drawn pictures: plain shapes ({shapes}) in twelve colours on plain
backgrounds, small or large, in nine places, one to four of them, or two different ones; captions in English and
Chinese. Its latents are colours and distances (`scripts/demo/codes.py`). It exists so that Atelier can be tried, and
its tests run, without a GPU and without a download. It knows nothing else: of an unknown thing it keeps the colours,
and of unknown words alone it makes a gray circle on white.

{steps} steps, guidance 0, sides from 256 to 1024. Same licence as the repository.

Scores on held-out prompts, half of them Chinese, by `scripts/bench demo` (background: the frame's colour; colour: of
every thing; shape: every thing is there, in its order, and shares three quarters of its outline with its shape; off and
longer, medians: how far outlines lie from where they belong, in parts of the shorter side, and how much longer they are
than plain ones, as ragged ones would be):

| size | pictures | background | colour | shape | off | longer |
|---|---|---|---|---|---|---|
{rows}
"""


def text(scores: Sequence[tuple[tuple[int, int], Score]], size: int, seed: int) -> str:
    """The model card; `size` in bytes, sizes as height and width."""
    rows = [
        f"| {width}x{height} | {score.pictures} | {score.background:.0%} | {score.colour:.0%} | {score.shape:.0%} "
        f"| {score.off:.2%} | {score.longer:+.1%} |"
        for (height, width), score in scores
    ]
    return CARD.format(size=size / 1e6, seed=seed, shapes=", ".join(SHAPES), steps=STEPS, rows="\n".join(rows))
