"""The numbers of a training: which texts count how much, and how the model learns from them.

The weights of sources and languages were set by hand for the first version and kept: what is plentiful
(word lists, English, Spanish) counts less than its share, what is rare or most like a search counts more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "zh", "es", "de", "ru", "ar", "vi", "th", "tr", "hi", "el", "ro", "fr", "ja", "ko", "pt", "it", "id")

LANGUAGE_WEIGHTS: Mapping[str, float] = {
    "en": 0.4, "zh": 0.5, "es": 0.45, "de": 0.5, "ru": 0.6, "ar": 0.95, "vi": 0.9, "th": 1.0, "tr": 0.75,
    "hi": 1.0, "el": 0.9, "ro": 0.55, "fr": 0.3, "ja": 0.45, "ko": 0.45, "pt": 0.25, "it": 0.25, "id": 0.5,
}  # fmt: skip

PAIR_SOURCES: Mapping[str, float] = {
    "wikititles": 1.2, "wiktionary": 1.4, "wikt_gloss": 0.7, "omw": 1.0, "cedict": 0.5, "names": 0.45,
    "cldr": 0.35, "cldr_kw": 0.1, "osm_presets": 0.4, "pydocs": 0.9, "pydocs_zh": 0.1, "fastapi_docs": 0.6,
    "k8s_docs": 0.5, "mozilla_www": 0.9, "bitcoin_org": 0.3, "android": 1.3, "wagtail": 0.3, "ntrex": 1.4,
    "tico19": 0.7, "tanaka": 0.25, "tatoeba_ar": 0.3, "tatoeba_hi": 0.1, "tatoeba_ja": 0.15, "tatoeba_th": 0.1,
    "tatoeba_tr": 0.2, "tatoeba_vi": 0.1, "tatoeba_zh": 0.15,
}  # fmt: skip

# Sources whose neighbouring groups come from one page or one program.
DOCUMENT_SOURCES: Mapping[str, float] = {
    "ntrex": 2.5, "tico19": 1.0, "pydocs": 1.3, "android": 1.2, "mozilla_www": 1.2, "fastapi_docs": 0.8,
    "k8s_docs": 0.8, "bitcoin_org": 0.4, "wagtail": 0.2, "pydocs_zh": 0.2,
}  # fmt: skip

# Sources of single words and names, of which random ones are joined to passages.
WORD_SOURCES = frozenset({"wikititles", "wiktionary", "omw", "cldr", "osm_presets"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made.

    Attributes:
        vocabulary: tokens. With ``dimensions`` it makes the size of the files, of which 40 MB is the limit.
        dimensions: of the full vector.
        nested: leading dimensions trained to work alone (Matryoshka), with the weight of their loss.
        steps: batches.
        batch_pairs: pairs of one batch; each is the negative of all others.
        passage_share: share of batches that pair a query with a passage of neighbouring texts.
        joined_share: share of batches that pair a word with a passage of unrelated words.
        max_tokens: of one side; later ones are left out in training.
        max_dropout: the share of tokens left out of a side is drawn from zero to this.
        scale: inverse temperature of the contrastive loss.
        teacher_weight: weight of the teacher's loss.
        learning_rate: peak, reached after ``warmup_steps``.
        cooldown_share: share of the steps, the last ones, over which the rate falls to zero.
    """

    vocabulary: int = 86_000
    dimensions: int = 384
    nested: tuple[tuple[int, float], ...] = ((128, 0.5), (64, 0.25))
    steps: int = 13_000
    batch_pairs: int = 1024
    passage_share: float = 0.32
    joined_share: float = 0.06
    max_tokens: int = 128
    max_dropout: float = 0.3
    scale: float = 20.0
    teacher_weight: float = 3.0
    learning_rate: float = 0.012
    warmup_steps: int = 100
    cooldown_share: float = 0.3
