"""Tiny random models, written here and nowhere downloaded: their weights are noise, their tokens are bytes, and what they cost is next to nothing."""

import json
import subprocess
from pathlib import Path
from typing import Final

NAME: Final = "tiny"
CONTEXT: Final = 2_048
SPECIAL: Final = ("<pad>", "<s>", "</s>")
_LETTERS: Final = [*range(33, 127), *range(161, 173), *range(174, 256)]
"""Bytes that byte-level BPE writes as they are; the others follow from 256 on (openai/gpt-2 `src/encoder.py`, `bytes_to_unicode`)."""

_GGUF: Final = Path(__file__).with_name("make_gguf.py")


def byte_vocabulary() -> list[str]:
    """A token for each byte, after the special ones: a text of n bytes is n tokens."""
    others = iter(range(256, 512))
    letters = [chr(byte) if byte in _LETTERS else chr(next(others)) for byte in range(256)]
    return [*SPECIAL, *letters]


def hugging_face(folder: Path) -> Path:
    """A Llama of two layers as a folder of configuration and tokenizer, without weights (`--load-format dummy` makes them)."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(byte_vocabulary())}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "vocab_size": len(vocabulary),
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": number,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, token in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": CONTEXT,
        "chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    }
    for name, made in (("config", config), ("tokenizer", tokenizer), ("tokenizer_config", settings)):
        (folder / f"{name}.json").write_text(json.dumps(made))
    return folder


def gguf(python: Path, file: Path) -> Path:
    """The same for llama.cpp, in one file with weights; `python` has the package gguf."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_suffix(".part")
        subprocess.run([python, _GGUF, made, json.dumps(byte_vocabulary()), str(CONTEXT)], check=True, timeout=120)
        made.rename(file)
    return file
