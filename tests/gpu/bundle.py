# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Make the bundle of ``script/test gpu``: everything that a machine with a GPU and no network needs to run the checks.

    python -m tests.gpu.bundle FILE

It contains what the roles render, the collection's modules with the part of ansible-core that a module imports, the engines'
sources without their documentation, a small model, Whisper's test model, and the head of a model of 8 billion parameters,
whose random weights are generated there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy
import yaml

from tests.sandbox import hub

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
LIMIT_MB = 60
# Folders of the sources that no build of a server reads.
NEEDLESS = frozenset(
    {
        "models",
        "docs",
        "tests",
        "benches",
        "media",
        "samples",
        "bindings",
        "conversion",
        ".github",
        ".devops",
        "gguf-py",
    }
)
# Of those: whisper.cpp's CMakeLists.txt makes another file of it, whatever it is to build.
NEEDED = frozenset({"bindings/javascript/package-tmpl.json"})
WHISPER_MODEL = "models/for-tests-ggml-tiny.en.bin"
# Qwen3-8B, as its config.json has it.
LAYERS, WIDTH, FEED_FORWARD, HEADS, KV_HEADS, HEAD, WORDS = 36, 4096, 12288, 32, 8, 128, 151936


def render(folder: Path) -> dict[str, Any]:
    """What the roles build and install, for the services of inventory.yml."""
    work = folder / "render"
    work.mkdir()
    shutil.copy(HERE / "render.yml", work)
    extra = {
        "repository": str(ROOT),
        "serving_require_gpu": True,
        # A hang must be noticed within the time of a check.
        "serving_liveness_interval": 3,
        "serving_liveness_timeout": 5,
        "serving_liveness_failures": 2,
    }
    command = ["ansible-playbook", "-i", str(HERE / "inventory.yml"), str(work / "render.yml"), "-e", json.dumps(extra)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        sys.exit(f"the roles could not be rendered:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads((work / "rendered.json").read_text(encoding="utf-8"))
    shutil.rmtree(work)
    return found


def repack(archive: Path, subdirectory: str, target: Path) -> dict[str, str]:
    """The compiled part of a source archive, as a separate archive: the module's arguments for it."""
    prefix = f"{subdirectory}/"
    top = Path(subdirectory).name
    with tarfile.open(archive) as source, tarfile.open(target, "w:xz") as packed:
        for member in source:
            inside = member.name.removeprefix(prefix)
            if not member.name.startswith(prefix) or not inside or not (member.isfile() or member.isdir()):
                continue
            if inside not in NEEDED and (inside.split("/")[0] in NEEDLESS or ".git" in inside.split("/")):
                continue
            content = source.extractfile(member) if member.isfile() else None
            member.name = f"{top}/{inside}"
            packed.addfile(member, content)
    return {"archive": target.name, "sha256": hashlib.sha256(target.read_bytes()).hexdigest(), "subdirectory": top}


def sources(folder: Path) -> dict[str, dict[str, str]]:
    """The engines' sources, by engine: the sandbox's archives, checked against its pins."""
    hub_sources = ROOT / ".sandbox" / "hub" / "sources"
    inventory = yaml.safe_load((ROOT / "inventories/sandbox/group_vars/all.yml").read_text(encoding="utf-8"))
    found = {}
    for engine in ("llama.cpp", "whisper.cpp"):
        ((version, known),) = inventory["thor_extra_engines"][engine]["versions"].items()
        source = known["source"]
        archive = hub_sources / source["archive"].rsplit("/", 1)[-1]
        if not archive.is_file():
            sys.exit(f"{archive} is not there: script/sandbox hub fetches it")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != source["sha256"]:
            sys.exit(f"{archive} is not the archive that inventories/sandbox pins")
        found[engine] = {"version": version, **repack(archive, source["subdirectory"], folder / f"{engine}.tar.xz")}
        if engine == "whisper.cpp":
            with tarfile.open(archive) as tar:
                model = tar.extractfile(f"{source['subdirectory']}/{WHISPER_MODEL}")
                assert model is not None
                (folder / "whisper.bin").write_bytes(model.read())
    return found


def _describe(writer: gguf.GGUFWriter) -> None:
    """What the head says of the model besides its tensors."""
    writer.add_name("random weights in the shape of Qwen3-8B")
    writer.add_context_length(40960)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    alphabet = hub.byte_alphabet()
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*alphabet, *(f"w{number}" for number in range(WORDS - len(alphabet) - len(control))), *control]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if one in control else gguf.TokenType.NORMAL for one in tokens])
    writer.add_token_merges([f"{alphabet[10]} {alphabet[10]}"])
    writer.add_eos_token_id(WORDS - 1)
    writer.add_pad_token_id(WORDS - 3)
    writer.add_add_bos_token(False)
    writer.add_chat_template(hub.TEMPLATE)


def large_model(path: Path) -> list[list[int]]:
    """Write the head of a Qwen3-8B in Q8_0; the rest as pairs: bytes, and 1 for weights, not 1.0 in float32."""
    q8, f32 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32
    writer = gguf.GGUFWriter(path, "qwen3")
    _describe(writer)
    rest: list[list[int]] = []

    def tensor(name: str, *shape: int) -> None:
        count = 1
        for side in shape:
            count *= side
        weights = len(shape) > 1
        size = count // 32 * 34 if weights else count * 4
        # Rows come first here, and a row of Q8_0 is measured in bytes.
        given = [*shape[:-1], shape[-1] // 32 * 34] if weights else list(shape)
        dtype = numpy.dtype("uint8") if weights else numpy.dtype("float32")
        writer.add_tensor_info(f"{name}.weight", given, dtype, size, q8 if weights else f32)
        rest.append([size, int(weights)])

    tensor("token_embd", WORDS, WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        tensor(f"{block}.attn_norm", WIDTH)
        tensor(f"{block}.attn_q_norm", HEAD)
        tensor(f"{block}.attn_k_norm", HEAD)
        tensor(f"{block}.attn_q", HEADS * HEAD, WIDTH)
        tensor(f"{block}.attn_k", KV_HEADS * HEAD, WIDTH)
        tensor(f"{block}.attn_v", KV_HEADS * HEAD, WIDTH)
        tensor(f"{block}.attn_output", WIDTH, HEADS * HEAD)
        tensor(f"{block}.ffn_norm", WIDTH)
        tensor(f"{block}.ffn_gate", FEED_FORWARD, WIDTH)
        tensor(f"{block}.ffn_up", FEED_FORWARD, WIDTH)
        tensor(f"{block}.ffn_down", WIDTH, FEED_FORWARD)
    tensor("output_norm", WIDTH)
    tensor("output", WORDS, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    # Where the data begins: aligned, like each tensor.
    size = path.stat().st_size
    with path.open("ab") as stream:
        stream.write(bytes(-size % gguf.GGUF_DEFAULT_ALIGNMENT))
    return [[size + -size % gguf.GGUF_DEFAULT_ALIGNMENT, weights] for size, weights in rest]


def site(folder: Path) -> None:
    """What a module imports: the collection's own code, and ansible-core's part that travels to a host."""
    spec = importlib.util.find_spec("ansible")
    assert spec is not None
    assert spec.origin is not None
    ansible = Path(spec.origin).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.ps1", "*.psm1", "*.cs")
    (folder / "ansible").mkdir(parents=True)
    for name in ("__init__.py", "release.py"):
        shutil.copy(ansible / name, folder / "ansible")
    for name in ("_vendor", "module_utils", "_internal"):
        shutil.copytree(ansible / name, folder / "ansible" / name, ignore=ignore)
    for name in ("module_utils", "modules"):
        shutil.copytree(
            ROOT / "plugins" / name, folder / "ansible_collections/jetson/thor/plugins" / name, ignore=ignore
        )


def main() -> None:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="thor-gpu-") as scratch:
        folder = Path(scratch) / "bundle"
        folder.mkdir()
        plan = render(Path(scratch))
        plan["sources"] = sources(folder)
        hub.make_language_model(folder / "tiny.gguf", hub.ANSWER, seed=1)
        plan["large"] = large_model(folder / "large.head")
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        site(folder / "site")
        shutil.copytree(HERE / "stand-ins", folder / "stand-ins")
        for name in ("run.py", "hog.cu"):
            shutil.copy(HERE / name, folder)
        shutil.copy(ROOT / "roles/verify/files/speech.wav", folder)
        partial = file.with_name(f".{file.name}.partial")
        with tarfile.open(partial, "w:gz", compresslevel=6) as tar:
            tar.add(folder, "thor-gpu")
    size = partial.stat().st_size
    if size > LIMIT_MB * 1_000_000:
        sys.exit(f"the bundle has {size / 1e6:.1f} MB, and {LIMIT_MB} MB may travel: {partial} is left for a look")
    partial.replace(file)
    print(json.dumps({"bundle": str(file), "megabytes": round(size / 1e6, 1)}))


if __name__ == "__main__":
    main()
