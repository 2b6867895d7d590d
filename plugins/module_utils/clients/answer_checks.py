# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the text of an answer: garbage, repetition, thoughts, and answers that do not end."""

from __future__ import annotations

import re

from ansible_collections.jetson.thor.plugins.module_utils.clients.api import Answer

_EMPTY_THINKING = re.compile(r"<think>\s*</think>")
# A thought ends at its closing tag. Templates may open it in the prompt, so the answer may have the closing tag alone.
_THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)
# How untagged thoughts begin.
_MUSING = re.compile(
    r"\s*(okay|ok|alright|hmm|hm|well|so|first)?\W{0,3}\s*(so |now )?(the user|this user|we need|i need to|let me|i should|"
    r"thinking process|here's a thinking|the prompt|the question is|用户|好的\W\s*用户|嗯|首先)",
    re.IGNORECASE,
)
# What a healthy engine never says: bytes that are not text (replaced by U+FFFD), halves of surrogate pairs, control characters,
# private-use characters, and code points that are not characters.
_BROKEN = re.compile(
    r"[\ufffd\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]"
)
# Tokens that frame a chat or fill a batch, as the vocabularies of Qwen, Llama, Gemma, Mistral, DeepSeek and GLM spell them. An answer
# with one ran past its end, or the model does not follow its template. A quoted token is merely mentioned.
_SPECIAL_TOKEN = re.compile(
    r"(?<![`\"'\w])(?:<\|(?:\w{4,40}|pad|eos|bos|eot|eom|end|sep|unk)\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|"
    r"<(?:pad|unk|eos|bos|start_of_turn|end_of_turn|unused\d+|0x[0-9A-F]{2})>|\[(?:PAD\d*|UNK|/?INST|gMASK|unused\d+)\])"
)
# Normal finish reasons: a complete answer, or the token limit. Engines also say abort, error, repetition (vLLM, v1/engine) or nothing.
_ENDS = ("stop", "length")
LEAST_ALIKE = 8  # characters
# A token may hold part of a character, so an answer cut there ends in replacement characters.
_CUT_CHARACTER = re.compile(r"\ufffd{1,3}\Z")
# The same piece at least six times in a row, over a stretch longer than in any ordinary sentence, list or table.
_REPEATED = re.compile(r"(.{1,60}?)\1{5,}")
LEAST_REPEATED = 48  # characters
MOST_READ = 4000  # characters of an answer that are checked for repetition


def wrong_text(answer: Answer) -> str | None:
    """Why the answer's text is unusable, or None."""
    written = (answer.text + answer.reasoning).strip()
    if answer.completion_tokens == 0 or not written:
        told = (
            ""
            if answer.completion_tokens is None
            else f" ({answer.completion_tokens} tokens, finish reason {answer.finish!r})"
        )
        return f"the answer is empty{told}"
    broken = _BROKEN.findall(_without_cut(answer, answer.text) + _without_cut(answer, answer.reasoning))
    if broken:
        return f"the answer has {len(broken)} characters that are not text (such as {broken[0]!r}): the engine computes garbage"
    # A transcription of music or silence may consist of notes or dots alone.
    is_chat = answer.completion_tokens is not None
    for part in (written, without_thought(answer.text), answer.reasoning.strip()):
        # "!" is token 0 of Qwen's vocabulary, which is what NaN logits decode to: vllm#27364
        alike = set("".join(part.split())) if len(part) >= LEAST_ALIKE else set()
        if alike == {"!"} or (is_chat and len(alike) == 1 and not next(iter(alike)).isalpha()):
            return f"the answer is nothing but {alike.pop()!r}: the engine computes garbage"
    special = _SPECIAL_TOKEN.search(answer.text) if is_chat else None
    if special:
        return f"the answer has the special token {special[0]!r}: the model does not know where to stop, or does not know its template"
    if is_chat and answer.finish not in _ENDS:
        return f"the answer did not finish (finish reason {answer.finish[:40]!r})"
    repeated = _REPEATED.search(" ".join(written[:MOST_READ].split()))
    if repeated and len(repeated[0]) >= LEAST_REPEATED:
        return f"the answer repeats itself ({repeated[1]!r}, {len(repeated[0]) // len(repeated[1])} times in a row)"
    return None


def _without_cut(answer: Answer, text: str) -> str:
    """A text without the partial character at which the token limit cut it."""
    return _CUT_CHARACTER.sub("", text) if answer.finish == "length" else text


def without_thought(text: str) -> str:
    """The answer proper: the text without thoughts, finished or not."""
    return _THOUGHT.sub("", text).strip()


def unfinished(answer: Answer) -> str | None:
    """Why a question that needs one sentence got no complete answer, or None."""
    spent = f"{answer.completion_tokens} tokens, finish reason {answer.finish!r}"
    if not without_thought(answer.text):
        return f"it thought and did not answer ({spent}; the thought begins {(answer.reasoning or answer.text).strip()[:60]!r})"
    if answer.finish == "length":
        return (
            f"the answer has no end ({spent}): the model thinks without a tag for it, or does not know where to stop "
            "(or verify_max_tokens is too small for verify_prompt)"
        )
    return None


def thinking(answer: Answer) -> str | None:
    """The evidence that the model thought, or None. An empty block does not count."""
    if answer.reasoning.strip():
        return f"the answer carries reasoning ({answer.reasoning.strip()[:60]!r})"
    text = _EMPTY_THINKING.sub("", answer.text)
    for tag in ("<think>", "</think>"):
        if tag in text:
            return f"the answer's text has {tag}"
    if answer.finish == "length" and _MUSING.match(text):
        return f"the answer was cut, and begins as thoughts do ({text.strip()[:60]!r})"
    return None


def unthinking(answer: Answer) -> str | None:
    """Why a model that was told to think did not, or None."""
    return None if thinking(answer) else f"the answer carries no reasoning (it begins {answer.text.strip()[:60]!r})"


def printable(text: str) -> str:
    """A text without characters that a terminal or an XML file would not take as text."""
    return _BROKEN.sub("\ufffd", text)
