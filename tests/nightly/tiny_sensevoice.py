#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Make a tiny SenseVoiceSmall and its voice activity detection: tiny_sensevoice.py DIRECTORY [deaf], with the Python of FunASR.

The files have the names and the keys of the models on the hub (iic/SenseVoiceSmall and its VAD), and small random layers.
The last layer of each says what comes out: always the token of WORD, and always speech, or never if it is deaf.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import yaml
from funasr.models.fsmn_vad_streaming.model import FsmnVADStreaming
from funasr.models.sense_voice.model import SenseVoiceSmall

SENSEVOICE = "iic/SenseVoiceSmall"
VAD = "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch"
WORD = "hello"
TOKENIZER = "chn_jpn_yue_eng_ko_spectok.bpe.model"
MELS, FRAMES, STEP = 80, 7, 6
WIDTH = MELS * FRAMES

FRONTEND = {"fs": 16000, "window": "hamming", "n_mels": MELS, "frame_length": 25, "frame_shift": 10}


def cmvn(path: Path, width: int) -> None:
    """A file of means and variances that change nothing, in Kaldi's text format."""
    shift, scale = " ".join(["0"] * width), " ".join(["1"] * width)
    layers = [
        f"<{name}> {width} {width}\n<LearnRateCoef> 0 [ {row} ]\n"
        for name, row in (("AddShift", shift), ("Rescale", scale))
    ]
    path.write_text(f"<Nnet>\n<Splice> {width} {width}\n[ 0 ]\n{''.join(layers)}</Nnet>\n")


def save(folder: Path, model: torch.nn.Module, config: dict[str, Any], metas: dict[str, Any]) -> None:
    """The files of one model."""
    torch.save(model.state_dict(), folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    metas = {"init_param": "model.pt", "config": "config.yaml", **metas}
    document = {"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}
    (folder / "configuration.json").write_text(json.dumps(document))


def sensevoice(folder: Path) -> None:
    """A SenseVoiceSmall with two layers."""
    folder.mkdir(parents=True)
    text = folder / "text"
    text.write_text(f"{WORD} world\n" * 50)
    stem = folder / TOKENIZER.removesuffix(".model")
    sentencepiece.SentencePieceTrainer.Train(
        input=str(text), model_prefix=str(stem), vocab_size=24, model_type="bpe", hard_vocab_limit=False, minloglevel=2
    )
    text.unlink()
    (folder / f"{stem.name}.vocab").unlink()
    tokens = sentencepiece.SentencePieceProcessor(model_file=str(folder / TOKENIZER))
    encoder = {
        "output_size": 32,
        "attention_heads": 2,
        "linear_units": 64,
        "num_blocks": 2,
        "tp_blocks": 1,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    }
    model_conf = {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1}
    model = SenseVoiceSmall(
        encoder="SenseVoiceEncoderSmall", encoder_conf=encoder, input_size=WIDTH, vocab_size=len(tokens), **model_conf
    )
    with torch.no_grad():
        model.ctc.ctc_lo.bias[tokens.piece_to_id(f"\u2581{WORD}")] = 1000
    cmvn(folder / "am.mvn", WIDTH)
    config = {
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": encoder,
        "model": "SenseVoiceSmall",
        "model_conf": model_conf,
        "tokenizer": "SentencepiecesTokenizer",
        "frontend": "WavFrontend",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "frontend_conf": {**FRONTEND, "lfr_m": FRAMES, "lfr_n": STEP, "cmvn_file": None},
    }
    save(folder, model, config, {"tokenizer_conf": {"bpemodel": TOKENIZER}, "frontend_conf": {"cmvn_file": "am.mvn"}})


def vad(folder: Path, deaf: bool) -> None:
    """A voice activity detection that hears speech in everything, or in nothing."""
    folder.mkdir(parents=True)
    width, outputs = MELS * 5, 8
    encoder = {
        "input_dim": width,
        "input_affine_dim": 8,
        "fsmn_layers": 1,
        "linear_dim": 16,
        "proj_dim": 8,
        "lorder": 4,
        "rorder": 0,
        "lstride": 1,
        "rstride": 0,
        "output_affine_dim": 8,
        "output_dim": outputs,
    }
    conf = {"sample_rate": 16000, "silence_pdf_num": 1, "sil_pdf_ids": [0], "max_end_silence_time": 800}
    model = FsmnVADStreaming(encoder="FSMN", encoder_conf=encoder, **conf)
    with torch.no_grad():
        model.encoder.out_linear2.linear.bias[0] = 8 if deaf else -8
    cmvn(folder / "am.mvn", width)
    config = {
        "frontend": "WavFrontendOnline",
        "model": "FsmnVADStreaming",
        "model_conf": conf,
        "encoder": "FSMN",
        "encoder_conf": encoder,
        "frontend_conf": {**FRONTEND, "dither": 0.0, "lfr_m": 5, "lfr_n": 1, "cmvn_file": None},
    }
    save(folder, model, config, {"frontend_conf": {"cmvn_file": "am.mvn"}})


if __name__ == "__main__":
    torch.manual_seed(1)
    sensevoice(Path(sys.argv[1]) / SENSEVOICE)
    vad(Path(sys.argv[1]) / VAD, deaf="deaf" in sys.argv[2:])
