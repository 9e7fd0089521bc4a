"""The demo model's transformer in one file, as ComfyUI and llama.cpp's tools write them."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file, save_file

from app.messages.catalogue import catalogue

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
RENAMED = {
    "all_final_layer.2-1.": "final_layer.",
    "all_x_embedder.2-1.": "x_embedder.",
    ".to_out.0.": ".out.",
    ".norm_k.": ".k_norm.",
    ".norm_q.": ".q_norm.",
}
Tensors = dict[str, torch.Tensor]


def original(folder: Path) -> Tensors:
    """Under the names of the original, with the three projections of an attention in one."""
    tensors = load_file(folder / TRANSFORMER)
    found: Tensors = {}
    for name, tensor in tensors.items():
        if ".to_q." in name:
            parts = [tensors[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")]
            found[name.replace("to_q", "qkv")] = torch.cat(parts)
        elif ".to_k." not in name and ".to_v." not in name:
            for ours, theirs in RENAMED.items():
                name = name.replace(ours, theirs)  # noqa: PLW2901
            found[name] = tensor
    return found


def write_comfy(tensors: Tensors, path: Path) -> Path:
    save_file({f"model.diffusion_model.{name}": tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def write_gguf(tensors: Tensors, path: Path, kind: gguf.GGMLQuantizationType | None = None) -> Path:
    """Float32, or those matrices of the blocks packed as `kind` whose rows are whole blocks of it."""
    writer = gguf.GGUFWriter(path, "lumina2")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        inside = values.ndim == 2 and ("attention" in name or "feed_forward" in name)
        if kind is not None and inside and values.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def detail_of(params: Mapping[str, str | int | float]) -> str:
    """What is wrong with a model, as people read it: a text of ours, or the name of a library's error."""
    detail = str(params["detail"])
    return catalogue("en").get(detail, detail).format_map(params)
