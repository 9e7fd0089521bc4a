"""Names for the libraries' objects that we call: diffusers has no annotations."""

from typing import Any, TypeAlias

ZImagePipeline: TypeAlias = Any
ZImageTransformer: TypeAlias = Any
Autoencoder: TypeAlias = Any
Scheduler: TypeAlias = Any
Tokenizer: TypeAlias = Any
TextEncoder: TypeAlias = Any
Attention: TypeAlias = Any
Posterior: TypeAlias = Any
