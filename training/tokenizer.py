"""The tokenizer: a Unigram model over folded words, whose pieces are found by BPE.

Unigram picks the likeliest split of a whole run, which is what finds the words in scripts written without
spaces (Thai, Han, kana). Its own trainer, though, takes its first pieces from distinct words, each counted
once, so that a common syllable of Vietnamese that is in no longer word is never among them. BPE counts
words as often as they stand in the texts. No special tokens are added to a text.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from training.corpus import Group
from training.recipe import EVERYDAY_SOURCES, WORD_SOURCES

PAD, UNKNOWN, WORD_START = "[PAD]", "[UNK]", "▁"

# Letters that writers leave out, add or mix up, folded so that both spellings meet: Arabic forms of alef,
# yeh and teh marbuta (Larkey et al. 2007, "Light stemming for Arabic"), the yeh and kaf of Persian, Greek
# accents and final sigma (absent in capitals), Russian yo, Romanian comma below against cedilla, Hindi
# nasal signs.
_FOLDS = {
    "[أإآٱ]": "ا",
    "[ىی]": "ي",
    "ک": "ك",
    "ة": "ه",
    "ά": "α",
    "έ": "ε",
    "ή": "η",
    "[ίϊΐ]": "ι",
    "ό": "ο",
    "[ύϋΰ]": "υ",
    "ώ": "ω",
    "ς": "σ",
    "ё": "е",
    "ș": "ş",
    "ț": "ţ",
    "ँ": "ं",
}
# Arabic vowel signs and tatweel, Devanagari nukta, combining acute (stress) and dot above (from
# lower-casing the Turkish capital), and zero-width characters.
_REMOVED = "[\u064b-\u0652\u0640\u093c\u0301\u0307\u200b-\u200f]"
# Runs of these scripts stand alone, without the word-start mark: most have no spaces between words, and an
# Arabic word is the same with and without the article in front of it.
_OWN_RUNS = r"\p{Han}+|[\u3040-\u309f]+|[\u30a0-\u30ff]+|\p{Thai}+|\p{Arabic}+|\p{N}+"
# The Arabic conjunction and article, alone or with a preposition, where at least three letters follow.
_ARABIC_CLITICS = r"^(?:[وف]?(?:[بك]?ال|لل)|و)(?=\p{Arabic}{3})"

_MAX_PIECE_CHARACTERS = 14
# BPE finds more pieces than there will be tokens; the steps that lead to a long piece are hardly used by Unigram.
_CANDIDATES_PER_TOKEN = 1.25
_MIN_FREQUENCY = 3
_ALPHABET = 9000
# Added to the count of a piece, so that one that is not used has a score.
_UNSEEN = 0.1
_TEXTS_PER_CALL = 20_000
# More would only make the file larger, by a megabyte.
_SCORE_DIGITS = 3
# Characters of training text for a language; the rest of a long source would only repeat its vocabulary.
_CHARACTERS_PER_LANGUAGE = {"en": 2_000_000, "zh": 1_400_000, "ja": 1_000_000, "ko": 900_000}
_CHARACTERS_OF_OTHERS = 1_200_000
_MAX_ROUNDS = 2
# Share of the groups of a source that is used: names and titles would crowd out words.
_SOURCE_SHARES = {"names": 0.1, "wikititles": 0.6}
# Half of the texts of a language are prose and dictionaries; of the rest, manuals and titles would crowd out
# the words of every day.
_EVERYDAY_SHARE = 0.5
# An entry that dictionaries have in so many languages names something that people speak of everywhere. A
# dictionary has it once; it counts as if texts had it more often.
_WIDESPREAD_LANGUAGES = 7
_WIDESPREAD_REPEATS = 4
# Where nothing marks words, any entry shows where one ends.
_THAI_REPEATS = 6


def train_tokenizer(groups: Sequence[Group], *, vocabulary: int, rng: np.random.Generator) -> Tokenizer:
    """Learn a tokenizer.

    Args:
        groups: the training texts.
        vocabulary: number of tokens, ``[PAD]`` (0) and ``[UNK]`` (1) among them.
        rng: draws the texts.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(_REMOVED), ""),
            *(normalizers.Replace(Regex(letters), folded) for letters, folded in _FOLDS.items()),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\p{L}\p{M}\p{N}]+"), "removed"),
            pre_tokenizers.Metaspace(WORD_START, prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(_OWN_RUNS), "isolated"),
            pre_tokenizers.Split(Regex(_ARABIC_CLITICS), "isolated"),
        ]
    )
    texts = list(_training_texts(groups, rng))
    trainer = trainers.BpeTrainer(
        vocab_size=int(vocabulary * _CANDIDATES_PER_TOKEN),
        special_tokens=[PAD, UNKNOWN],
        min_frequency=_MIN_FREQUENCY,
        limit_alphabet=_ALPHABET,
        max_token_length=_MAX_PIECE_CHARACTERS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = tokens_of(tokenizer)
    counts = _counts(tokenizer, texts)
    for kept in (len(pieces), len(pieces), vocabulary):
        pieces, counts = _most_used(pieces, counts, kept)
        tokenizer.model = _unigram(pieces, counts)
        counts = _counts(tokenizer, texts)
    tokenizer.model = _unigram(pieces, counts)
    return tokenizer


def _counts(tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.int64]:
    """Count how often each token stands in texts."""
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for start in range(0, len(texts), _TEXTS_PER_CALL):
        encodings = tokenizer.encode_batch_fast(texts[start : start + _TEXTS_PER_CALL], add_special_tokens=False)
        ids = np.fromiter(itertools.chain.from_iterable(encoding.ids for encoding in encodings), np.int64)
        counts += np.bincount(ids, minlength=len(counts))
    return counts


def _most_used(pieces: Sequence[str], counts: NDArray[np.int64], kept: int) -> tuple[list[str], NDArray[np.int64]]:
    """Keep the commonest pieces, and every one that is special or a single character."""
    ranks = np.array([len(piece) > 1 and piece not in {PAD, UNKNOWN} for piece in pieces])
    order = np.sort(np.lexsort((-counts, ranks))[:kept])
    return [pieces[index] for index in order], counts[order]


def _unigram(pieces: Sequence[str], counts: NDArray[np.int64]) -> models.Unigram:
    """Return the model that splits a run where the product of the shares of its pieces is largest."""
    scores = np.log((counts + _UNSEEN) / counts.sum()).round(_SCORE_DIGITS)
    return models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=pieces.index(UNKNOWN))


def silent_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return the ids that say nothing, whose vectors must stay zero."""
    ids = (tokenizer.token_to_id(token) for token in (PAD, UNKNOWN, WORD_START))
    return [token for token in ids if token is not None]


def _training_texts(groups: Sequence[Group], rng: np.random.Generator) -> Iterator[str]:
    """Yield texts in random order, each language up to its share of characters, and entries of dictionaries."""
    everyday: dict[str, dict[str, None]] = {}
    other: dict[str, dict[str, None]] = {}
    for group, chance in zip(groups, rng.random(len(groups)), strict=True):
        if chance >= _SOURCE_SHARES.get(group.source, 1):
            continue
        pool = everyday if group.source in EVERYDAY_SOURCES else other
        for language, variants in group.texts.items():
            pool.setdefault(language, {}).update(dict.fromkeys(variants[:2]))
            if group.source in WORD_SOURCES:
                entries = [variant for variant in variants[:2] if len(variant) <= _MAX_PIECE_CHARACTERS]
                yield from entries * _repeats(group, language)
    for language in sorted(everyday.keys() | other.keys()):
        budget = _CHARACTERS_PER_LANGUAGE.get(language, _CHARACTERS_OF_OTHERS)
        left = 0.0
        for pool, share in ((everyday, _EVERYDAY_SHARE), (other, 1 - _EVERYDAY_SHARE)):
            left += budget * share
            texts = list(pool.get(language, ()))
            for index in itertools.chain.from_iterable(rng.permutation(len(texts)) for _ in range(_MAX_ROUNDS)):
                if left <= 0:
                    break
                left -= len(texts[index])
                yield texts[index]


def _repeats(group: Group, language: str) -> int:
    """Return how often an entry counts beside the place where it stands."""
    if language == "th":
        return _THAI_REPEATS
    is_widespread = group.source in EVERYDAY_SOURCES and len(group.texts) >= _WIDESPREAD_LANGUAGES
    return _WIDESPREAD_REPEATS if is_widespread else 0


def tokens_of(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens in the order of their ids."""
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)
