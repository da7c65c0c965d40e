"""Draw the batches: pairs of texts that mean the same or answer each other, as token ids.

A side of a pair is a bag of one or more texts. Three kinds of batches:

- pairs: two texts of one group in two languages;
- passages: a text, and the passage of neighbouring texts it stands in, or in front of (a title and its
  body), mostly in another language;
- joined words: a word, and a passage of unrelated words of another language with its translation among
  them. It teaches how much a token counts in a long text where no long texts are at hand.

Some texts of the left side get words of asking ("how many are there") beside their own. They are in no
answer, so the tokens learn to count little.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.encoded import ENGLISH, EncodedCorpus, IntArray
from training.recipe import DOCUMENT_SOURCES, LANGUAGE_WEIGHTS, LANGUAGES, PAIR_SOURCES, QUESTIONS, WORD_SOURCES, Recipe

# Half of the batches come from one source: its texts are the harder negatives of each other.
_ONE_SOURCE_SHARE = 0.5
# Pairs are thrown away by the weight of their language; so many more are drawn.
_OVERDRAW = 3
_ENGLISH_SIDE_SHARE = 0.8
_MAX_SEGMENTS = 5
# The query is one of the first segments of a passage, which all are in a language that passages are made of.
_QUERY_SEGMENTS = 3
_FOREIGN_PASSAGE_SHARE = 0.6
_ENGLISH_QUERY_SHARE = 0.5
# Share of passages without the text that asks for them (inverse cloze task, Lee et al. 2019).
_CLOZE_SHARE = 0.25
_JOINED_WORDS = (4, 8)
# Texts of so few tokens lose none.
_TOKENS_KEPT = 2

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bags:
    """One side of a batch.

    Attributes:
        tokens: token ids of all bags, one bag after the other.
        starts: ``(bags,)``, first token of each bag.
        keys: ``(bags,)``, equal for bags of the same tokens in any order (before drop-out).
    """

    tokens: IntArray
    starts: IntArray
    keys: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs: bag i of the left side belongs to bag i of the right side.

    Attributes:
        left: one bag a pair.
        right: one bag a pair.
        teacher_rows: ``(pairs,)``, row of the teacher's vector for a pair, or -1.
        is_no_negative: ``(pairs, pairs)``, whether left bag i may answer right bag j although i is not j.
    """

    left: Bags
    right: Bags
    teacher_rows: IntArray
    is_no_negative: Mask


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Texts of both sides: text ``left[i]`` of pair i, and text ``right[i]`` of pair ``right_pair[i]``.

    ``teacher_rows`` is as in ``Batch``: a passage says more than its query, so only translations have one. The
    left text comes from group ``left_groups[i]``, the right ones from ``right_groups[i]`` and its followers up to
    ``right_ends[i]``, exclusive.
    """

    left: IntArray
    right: IntArray
    right_pair: IntArray
    teacher_rows: IntArray
    left_groups: IntArray
    right_groups: IntArray
    right_ends: IntArray


class Sampler:
    """Draw batches from a corpus; equal generators draw equal batches."""

    def __init__(self, corpus: EncodedCorpus, recipe: Recipe) -> None:
        self._corpus = corpus
        self._recipe = recipe
        self._weights = np.array([LANGUAGE_WEIGHTS[language] for language in LANGUAGES])
        self._pair_sources = self._shares(PAIR_SOURCES)
        self._document_sources = self._shares(DOCUMENT_SOURCES)
        self._words = self._word_groups()
        self._questions = corpus.main_texts[self._groups_of({QUESTIONS})]
        # order-free keys of bags are sums of these
        self._token_keys = np.random.default_rng(0).integers(2**63, size=int(corpus.tokens.max()) + 1, dtype=np.uint64)

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw one batch."""
        kind = rng.random()
        if kind < self._recipe.joined_share and any(map(len, self._words)):
            pairs = self._joined_words(rng)
        elif kind < self._recipe.joined_share + self._recipe.passage_share and self._document_sources.any():
            pairs = self._passages(rng)
        else:
            pairs = self._translations(rng)
        bag_count = len(pairs.left)
        asked, questions = self._draw_questions(pairs.left, rng)
        left = self._bags(pairs.left, np.arange(bag_count), bag_count, rng, asked=asked, questions=questions)
        right = self._bags(pairs.right, pairs.right_pair, bag_count, rng)
        return Batch(left, right, pairs.teacher_rows, _no_negatives(pairs, left, right))

    def _shares(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the share of each source of the corpus; zeros if it has none of them."""
        shares = np.array([weights.get(source, 0.0) for source in self._corpus.sources])
        return shares / shares.sum() if shares.any() else shares

    def _word_groups(self) -> list[IntArray]:
        """Return, for each language, the groups of word lists that have it."""
        groups = self._groups_of(WORD_SOURCES)
        return [groups[texts >= 0] for texts in self._corpus.main_texts[groups].T]

    def _groups_of(self, sources: Collection[str]) -> IntArray:
        is_wanted = np.array([source in sources for source in self._corpus.sources])
        return np.flatnonzero(np.repeat(is_wanted, np.diff(self._corpus.source_starts)))

    def _draw_groups(
        self, rng: np.random.Generator, shares: NDArray[np.float64], run_lengths: IntArray
    ) -> tuple[IntArray, Mask]:
        """Draw the first groups of runs of neighbours, and tell which runs stay inside their source."""
        count = len(run_lengths)
        drawn = 1 if rng.random() < _ONE_SOURCE_SHARE else count
        sources = np.broadcast_to(rng.choice(len(shares), size=drawn, p=shares), count)
        starts, ends = self._corpus.source_starts[sources], self._corpus.source_starts[sources + 1]
        groups = starts + (rng.random(count) * (ends - starts)).astype(np.int64)
        return groups, groups + run_lengths <= ends

    def _translations(self, rng: np.random.Generator) -> _Pairs:
        corpus, size = self._corpus, self._recipe.batch_pairs
        groups, _ = self._draw_groups(rng, self._pair_sources, np.ones(_OVERDRAW * size, dtype=np.int64))
        starts, counts = corpus.group_starts[groups], np.diff(corpus.group_starts)[groups]
        english = corpus.english_counts[groups]
        right = starts + (rng.random(len(groups)) * counts).astype(np.int64)
        wants_english = (rng.random(len(groups)) < _ENGLISH_SIDE_SHARE) & (english > 0)
        left = starts + (rng.random(len(groups)) * np.where(wants_english, english, counts)).astype(np.int64)
        is_kept = corpus.languages[left] != corpus.languages[right]
        is_kept &= rng.random(len(groups)) < self._weights[corpus.languages[right]]
        kept = np.flatnonzero(is_kept)[:size]
        return _Pairs(
            left[kept], right[kept], np.arange(len(kept)), corpus.teacher_rows[left[kept]], *_one_group(groups[kept])
        )

    def _passages(self, rng: np.random.Generator) -> _Pairs:
        main, size = self._corpus.main_texts, _OVERDRAW * self._recipe.batch_pairs
        segments = rng.integers(2, _MAX_SEGMENTS + 1, size=size)
        groups, is_valid = self._draw_groups(rng, self._document_sources, segments)
        positions = np.arange(_MAX_SEGMENTS)
        is_inside = positions < segments[:, None]
        texts = main[np.minimum(groups[:, None] + positions, len(main) - 1)]  # (runs, segments, languages)

        is_query_place = is_inside[:, :_QUERY_SEGMENTS]
        common = ((texts[:, :_QUERY_SEGMENTS] >= 0) | ~is_query_place[:, :, None]).all(axis=1)
        is_foreign = rng.random(size) < _FOREIGN_PASSAGE_SHARE
        languages = np.where(is_foreign, self._choose(rng, common), ENGLISH)
        rows = np.arange(size)
        is_valid &= common[rows, languages] & (common.sum(axis=1) > 1)

        is_cloze = rng.random(size) < _CLOZE_SHARE
        places = np.where(is_cloze, 0, rng.integers(0, is_query_place.sum(axis=1)))
        candidates = texts[rows, places]
        is_other = candidates >= 0
        is_other[rows[~is_cloze], languages[~is_cloze]] = False
        wants_english = (rng.random(size) < _ENGLISH_QUERY_SHARE) & is_other[:, ENGLISH]
        query_languages = np.where(wants_english, ENGLISH, self._choose(rng, is_other))
        is_valid &= is_other.any(axis=1)

        passage = texts[rows[:, None], positions, languages[:, None]]
        is_in_passage = is_inside & (passage >= 0) & ~(is_cloze[:, None] & (positions == places[:, None]))
        kept = np.flatnonzero(is_valid)[: self._recipe.batch_pairs]
        pair_of, position = np.nonzero(is_in_passage[kept])
        queries = candidates[kept, query_languages[kept]]
        return _Pairs(
            queries,
            passage[kept[pair_of], position],
            pair_of,
            teacher_rows=np.full(len(kept), -1),
            left_groups=groups[kept] + places[kept],
            right_groups=groups[kept],
            right_ends=groups[kept] + segments[kept],
        )

    def _joined_words(self, rng: np.random.Generator) -> _Pairs:
        main, size = self._corpus.main_texts, self._recipe.batch_pairs
        least, most = _JOINED_WORDS
        languages = [language for language, words in enumerate(self._words) if len(words)]
        shares = self._weights[languages] / self._weights[languages].sum()
        language = languages[rng.choice(len(languages), p=shares)]
        groups = rng.choice(self._words[language], size=(size, most))

        is_other = main[groups[:, 0]] >= 0
        is_other[:, language] = False
        kept = np.flatnonzero(is_other.any(axis=1))
        query_languages = self._choose(rng, is_other)[kept]
        counts = rng.integers(least, most + 1, size=len(kept))
        pair_of, position = np.nonzero(np.arange(most) < counts[:, None])
        words = main[groups[kept[pair_of], position], language]
        queries = main[groups[kept, 0], query_languages]
        return _Pairs(queries, words, pair_of, np.full(len(kept), -1), *_one_group(groups[kept, 0]))

    def _choose(self, rng: np.random.Generator, allowed: Mask) -> IntArray:
        """Choose one allowed language a row by the weights of languages; any one where none is allowed."""
        sums = np.cumsum(allowed * self._weights, axis=1)
        chosen = (sums <= (rng.random(len(allowed)) * sums[:, -1])[:, None]).sum(axis=1)
        return np.asarray(np.minimum(chosen, len(LANGUAGES) - 1))

    def _draw_questions(self, texts: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Draw words of asking for some of the texts, in their language: places of those texts, and the words."""
        asked = np.flatnonzero(rng.random(len(texts)) < self._recipe.question_share)
        if not len(self._questions):
            return asked[:0], asked[:0]
        rows = rng.integers(len(self._questions), size=len(asked))
        questions = self._questions[rows, self._corpus.languages[texts[asked]]]
        return asked[questions >= 0], questions[questions >= 0]

    def _bags(
        self,
        texts: IntArray,
        bag_of_text: IntArray,
        bag_count: int,
        rng: np.random.Generator,
        *,
        asked: IntArray | None = None,
        questions: IntArray | None = None,
    ) -> Bags:
        """Gather the tokens of bags, cut the long ones and drop some tokens.

        Text ``questions[i]`` is added to bag ``asked[i]``; it is no part of the bag's key.
        """
        tokens, bag_lengths = self._gather(texts, bag_of_text, bag_count)
        keys = np.add.reduceat(self._token_keys[tokens], np.cumsum(bag_lengths) - bag_lengths)
        if asked is not None and questions is not None:
            bag_of_text = np.concatenate([bag_of_text, asked])
            order = np.argsort(bag_of_text, kind="stable")
            tokens, bag_lengths = self._gather(np.concatenate([texts, questions])[order], bag_of_text[order], bag_count)
        starts = np.cumsum(bag_lengths) - bag_lengths
        bag_of_token = np.repeat(np.arange(bag_count), bag_lengths)
        places = np.arange(len(tokens))

        rates = np.where(bag_lengths > _TOKENS_KEPT, rng.random(bag_count) * self._recipe.max_dropout, 0)
        is_kept = places - starts[bag_of_token] < self._recipe.max_tokens
        is_kept &= rng.random(len(tokens)) >= rates[bag_of_token]
        is_empty = np.bincount(bag_of_token[is_kept], minlength=bag_count) == 0
        is_kept[starts[is_empty]] = True
        kept_lengths = np.bincount(bag_of_token[is_kept], minlength=bag_count)
        return Bags(tokens[is_kept].astype(np.int64), np.cumsum(kept_lengths) - kept_lengths, keys)

    def _gather(self, texts: IntArray, bag_of_text: IntArray, bag_count: int) -> tuple[NDArray[np.int32], IntArray]:
        """Return the tokens of texts, one after the other, and the number of tokens of each bag."""
        corpus = self._corpus
        lengths = corpus.token_starts[texts + 1] - corpus.token_starts[texts]
        places = np.arange(lengths.sum())
        tokens = corpus.tokens[np.repeat(corpus.token_starts[texts] - (np.cumsum(lengths) - lengths), lengths) + places]
        return tokens, np.bincount(bag_of_text, weights=lengths, minlength=bag_count).astype(np.int64)


def _one_group(groups: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return where both sides come from if that is one group."""
    return groups, groups, groups + 1


def _no_negatives(pairs: _Pairs, left: Bags, right: Bags) -> Mask:
    """Tell which pairs must not count as negatives of each other.

    They share a side, or the query of one stands in the passage of the other: windows over a source of few
    texts overlap.
    """
    groups = pairs.left_groups[:, None]
    mask: Mask = (pairs.right_groups <= groups) & (groups < pairs.right_ends)
    mask |= left.keys[:, None] == left.keys
    mask |= right.keys[:, None] == right.keys
    np.fill_diagonal(mask, val=False)
    return mask
