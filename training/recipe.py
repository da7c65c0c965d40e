"""The numbers of a training: which texts count how much, and how the model learns from them.

The weights of sources and languages were set by hand for the first version and kept: what is plentiful
(word lists, English, Spanish) counts less than its share, what is rare or most like a search counts more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = (
    "en", "zh", "es", "de", "ru", "ar", "vi", "th", "tr", "hi", "el", "ro",
    "fr", "ja", "ko", "pt", "it", "id", "uk", "pl", "nl", "fa", "bn", "sw",
)  # fmt: skip

LANGUAGE_WEIGHTS: Mapping[str, float] = {
    "en": 0.4, "zh": 0.5, "es": 0.45, "de": 0.5, "ru": 0.6, "ar": 0.95, "vi": 0.9, "th": 1.0, "tr": 0.75,
    "hi": 1.0, "el": 0.9, "ro": 0.55, "fr": 0.3, "ja": 0.45, "ko": 0.45, "pt": 0.25, "it": 0.25, "id": 0.5,
    "uk": 0.7, "pl": 0.5, "nl": 0.4, "fa": 0.9, "bn": 0.9, "sw": 0.8,
}  # fmt: skip

PAIR_SOURCES: Mapping[str, float] = {
    "wikititles": 1.2, "wiktionary": 1.4, "wikt_gloss": 0.7, "omw": 1.0, "cedict": 0.5, "names": 0.45,
    "cldr": 0.35, "cldr_kw": 0.2, "osm_presets": 0.4, "pydocs": 0.9, "pydocs_zh": 0.1, "fastapi_docs": 0.6,
    "k8s_docs": 0.5, "mozilla_www": 0.9, "bitcoin_org": 0.3, "android": 1.3, "wagtail": 0.3, "ntrex": 1.4,
    "tico19": 0.7, "tanaka": 0.25, "tatoeba_ar": 0.3, "tatoeba_hi": 0.1, "tatoeba_ja": 0.15, "tatoeba_th": 0.1,
    "tatoeba_tr": 0.2, "tatoeba_vi": 0.1, "tatoeba_zh": 0.15,
    "freedict": 1.1, "iso_codes": 0.4, "libreoffice_help": 0.8, "libreoffice_ui": 0.5, "chromium_ui": 1.0,
    "mozilla_ui": 0.6, "udhr": 0.1, "mediawiki": 0.8, "home_assistant": 0.5, "home_assistant_ui": 0.2,
    "wordpress": 0.4, "wesnoth": 1.0, "matrix_ui": 0.3, "kolibri": 0.3, "debian_install": 0.3,
    "debian_handbook": 0.1, "scratch_editor": 0.1, "django": 0.1,
}  # fmt: skip

# Sources whose neighbouring groups come from one page or one program.
DOCUMENT_SOURCES: Mapping[str, float] = {
    "ntrex": 2.5, "tico19": 1.0, "pydocs": 1.3, "android": 1.2, "mozilla_www": 1.2, "fastapi_docs": 0.8,
    "k8s_docs": 0.8, "bitcoin_org": 0.4, "wagtail": 0.2, "pydocs_zh": 0.2, "libreoffice_help": 1.5, "wesnoth": 1.5,
    "chromium_ui": 0.8, "mediawiki": 0.8, "home_assistant": 0.6, "libreoffice_ui": 0.3, "mozilla_ui": 0.5,
    "wordpress": 0.4, "matrix_ui": 0.3, "kolibri": 0.4, "debian_install": 0.4, "udhr": 0.2,
}  # fmt: skip

# Sources of single words and names, of which random ones are joined to passages.
WORD_SOURCES = frozenset({"wikititles", "wiktionary", "omw", "cldr", "osm_presets", "freedict", "iso_codes"})

# Prose and dictionaries, which have the words of every day.
EVERYDAY_SOURCES = frozenset(
    {
        "wiktionary",
        "omw",
        "freedict",
        "cldr_kw",
        "ntrex",
        "tico19",
        "tanaka",
        "wesnoth",
        "mozilla_www",
        "android",
        "udhr",
    }
    | {f"tatoeba_{language}" for language in ("ar", "hi", "ja", "th", "tr", "vi", "zh")}
)

# The source of words of asking, in ``questions.jsonl``; no pairs are made of it.
QUESTIONS = "questions"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made.

    Attributes:
        vocabulary: tokens.
        rows: vectors that the tokens share in the end. With ``dimensions`` they make most of the size of the files,
            of which 40 MB is the limit.
        own_rows: so many of the commonest tokens share theirs with no other.
        sharing_share: of the steps, the last ones, in which tokens share rows.
        dimensions: of the full vector.
        nested: leading dimensions trained to work alone (Matryoshka), with the weight of their loss.
        steps: batches.
        batch_pairs: pairs of one batch; each is the negative of all others.
        passage_share: share of batches that pair a query with a passage of neighbouring texts.
        joined_share: share of batches that pair a word with a passage of unrelated words.
        question_share: share of texts of the left side that get words of asking.
        max_tokens: of one side; later ones are left out in training.
        max_dropout: the share of tokens left out of a side is drawn from zero to this.
        scale: inverse temperature of the contrastive loss.
        teacher_weight: weight of the teacher's loss.
        learning_rate: peak, reached after ``warmup_steps``.
        cooldown_share: share of the steps, the last ones, over which the rate falls to zero.
    """

    vocabulary: int = 300_000
    rows: int = 78_500
    own_rows: int = 50_000
    sharing_share: float = 0.3
    dimensions: int = 384
    nested: tuple[tuple[int, float], ...] = ((128, 0.5), (64, 0.25))
    steps: int = 6_000
    batch_pairs: int = 1024
    passage_share: float = 0.32
    joined_share: float = 0.06
    question_share: float = 0.3
    max_tokens: int = 128
    max_dropout: float = 0.3
    scale: float = 20.0
    teacher_weight: float = 3.0
    learning_rate: float = 0.012
    warmup_steps: int = 100
    cooldown_share: float = 0.3
