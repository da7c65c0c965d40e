"""The corpus as numbers: every text a run of token ids, in flat arrays that a batch is gathered from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.corpus import Group
from training.recipe import LANGUAGES
from training.tokenizer import silent_tokens

IntArray = NDArray[np.int64]

ENGLISH = LANGUAGES.index("en")
MAX_VARIANTS = 3
_TEXTS_PER_CALL = 20_000


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """Groups of texts; the texts of a group stand together, English ones first.

    Attributes:
        sources: names, sorted.
        source_starts: ``(sources + 1,)``, first group of each source, then the number of groups.
        group_starts: ``(groups + 1,)``, first text of each group, then the number of texts.
        english_counts: ``(groups,)``, number of English texts of each group.
        main_texts: ``(groups, languages)``, the first text of each language, or -1.
        languages: ``(texts,)``, indexes into ``LANGUAGES``.
        token_starts: ``(texts + 1,)``, first token of each text, then the number of tokens.
        tokens: token ids of all texts, none of them silent.
        teacher_rows: ``(texts,)``, row of the teacher's vector for a text, or -1.
    """

    sources: list[str]
    source_starts: IntArray
    group_starts: IntArray
    english_counts: IntArray
    main_texts: NDArray[np.int32]
    languages: NDArray[np.int8]
    token_starts: IntArray
    tokens: NDArray[np.int32]
    teacher_rows: IntArray


def encode_corpus(groups: Sequence[Group], tokenizer: Tokenizer, teacher_texts: Sequence[str]) -> EncodedCorpus:
    """Encode the texts of all groups that have at least two, leaving out those without a known token.

    Args:
        groups: those of one source together, sources sorted.
        tokenizer: as it will be shipped.
        teacher_texts: English texts, in the order of the teacher's vectors.
    """
    teacher_row_of = {text: row for row, text in enumerate(teacher_texts)}
    silent = set(silent_tokens(tokenizer))
    sources: list[str] = []
    source_starts: list[int] = []
    group_sizes: list[int] = []
    english_counts: list[int] = []
    languages: list[int] = []
    teacher_rows: list[int] = []
    lengths: list[int] = []
    blocks: list[NDArray[np.int32]] = []

    stream = iter(groups)
    while batch := list(islice(stream, _TEXTS_PER_CALL)):
        texts = [list(_texts(group)) for group in batch]
        encodings = tokenizer.encode_batch_fast(
            [text for group_texts in texts for _, text in group_texts], add_special_tokens=False
        )
        ids = ([token for token in encoding.ids if token not in silent] for encoding in encodings)
        kept_ids: list[list[int]] = []
        for group, group_texts in zip(batch, texts, strict=True):
            kept = [
                (language, text, i)
                for (language, text), i in zip(group_texts, islice(ids, len(group_texts)), strict=True)
                if i
            ]
            if len(kept) < 2:
                continue
            if not sources or sources[-1] != group.source:
                sources.append(group.source)
                source_starts.append(len(group_sizes))
            group_sizes.append(len(kept))
            english_counts.append(sum(language == ENGLISH for language, _, _ in kept))
            languages.extend(language for language, _, _ in kept)
            teacher_rows.extend(teacher_row_of.get(t, -1) if language == ENGLISH else -1 for language, t, _ in kept)
            kept_ids.extend(i for _, _, i in kept)
        lengths.extend(map(len, kept_ids))
        blocks.append(np.fromiter(chain.from_iterable(kept_ids), np.int32))

    group_starts = _starts(group_sizes)
    language_array = np.array(languages, dtype=np.int8)
    return EncodedCorpus(
        sources=sources,
        source_starts=np.array([*source_starts, len(group_sizes)]),
        group_starts=group_starts,
        english_counts=np.array(english_counts),
        main_texts=_main_texts(group_starts, language_array),
        languages=language_array,
        token_starts=_starts(lengths),
        tokens=np.concatenate(blocks),
        teacher_rows=np.array(teacher_rows),
    )


def _texts(group: Group) -> Iterator[tuple[int, str]]:
    for index, language in enumerate(LANGUAGES):
        yield from ((index, text) for text in group.texts.get(language, ())[:MAX_VARIANTS])


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _main_texts(group_starts: IntArray, languages: NDArray[np.int8]) -> NDArray[np.int32]:
    main = np.full((len(group_starts) - 1, len(LANGUAGES)), -1, dtype=np.int32)
    texts = np.arange(len(languages), dtype=np.int32)[::-1]  # backwards: the first of a language is written last
    group_of_text = np.repeat(np.arange(len(group_starts) - 1), np.diff(group_starts))
    main[group_of_text[::-1], languages[::-1]] = texts
    return main
