"""Find the constants of ranking for one embedding model, and show what each choice costs.

    .venv/bin/python -m benchmarks.calibrate_ranking SET... [--model FOLDER] [--out ranking.json]

SET is a folder as `manage.py evaluate` takes it. Passages are cut and embedded as the site does it, all in
memory: with the model in FOLDER (the built-in one unless named), or with EMBEDDING_BASE_URL and
EMBEDDING_MODEL where `--service` is given. Three things are printed for each candidate of the constants:

- nDCG@10 of all languages at once and of one language at a time, and how often the first hit is in the
  question's language, for each set;
- how much Recall@10 falls when the passages of another set in one other language are added;
- with the best constants, the tests of a good answer with the floors of the languages, fitted to recognise 81 % of
  the questions of the other sets, which have no answer, and how many that have one they lose.

`--out` writes the profile for RANKING_FILE; for the built-in model its numbers go into ranking/profiles.py
and ranking/relevance.py.
"""

import argparse
import itertools
import math
import os
import secrets
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "searchapp.settings")
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402

from searchapp.chunking import cut  # noqa: E402
from searchapp.embedding import Embedder, blend, estimate_tokens  # noqa: E402
from searchapp.index.lexical import K1, MEAN_TERMS, USUAL_WEIGHT, B  # noqa: E402
from searchapp.language import clean_text, detect, lexical_terms, primary_language  # noqa: E402
from searchapp.local.embeddings.models import load_model  # noqa: E402
from searchapp.local.supervising.parts import SHIPPED_MODEL  # noqa: E402
from searchapp.parsing import ParseLimits, parse  # noqa: E402
from searchapp.ranking import (  # noqa: E402
    ANSWER_RANKS,
    LEAST_BEHIND,
    NOISE_RANKS,
    AnswerTest,
    Evidence,
    Profile,
    Weights,
    relevances,
    write_profile,
)
from searchapp.services import evaluating  # noqa: E402
from searchapp.services.indexing import embedded_parts  # noqa: E402

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Scores = NDArray[np.float32]
GRID = {
    "terms": (0.3, 0.4, 0.5),
    "noise": (0.5, 0.65, 0.8),
    "noise_spread": (0.07,),
    "own_language": (0.6, 0.7, 0.8, 1.0),
}
# A language and the one that floods it, where one set has questions in the first and another so many passages in the
# second.
FLOODS = (("en", "zh"), ("zh", "en"), ("de", "zh"), ("ru", "en"), ("ar", "fr"), ("es", "ko"), ("th", "ja"))
LEAST_FLOOD = 1_000
LEAST_RECOGNISED = 0.81
# In questions: how much a language has to show before its floor differs. Chosen by leaving out one set at a time.
RIDGE_OF_LANGUAGES = 30.0
# A floor that differs by less is that of all.
LEAST_DIFFERENCE = 0.05
# The numbers of an `AnswerTest`, in the order in which they are fitted.
NUMBERS = ("similarity", "terms", "above_noise", "above_rest", "usual_above_noise", "usual_above_rest", "least")
DISCOUNTS = 1 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Measured:
    """A set with the similarity and the share of words of every passage to every question."""

    name: str
    similarities: Scores
    shares: Scores
    languages: NDArray[np.str_]
    document_of: NDArray[np.intp]
    document_languages: NDArray[np.str_]
    detected: NDArray[np.str_]
    question_languages: Sequence[str]
    relevant: Sequence[frozenset[int]]

    @property
    def is_own(self) -> NDArray[np.bool_]:
        """Whether a passage is in the question's language: ``(questions, passages)``."""
        return np.asarray(self.detected[:, None] == self.languages)


@dataclass(frozen=True)
class Loaded:
    """A set, cut and embedded."""

    name: str
    texts: list[str]
    vectors: Scores
    languages: list[str]
    document_of: list[int]
    questions: list[str]
    question_vectors: Scores
    question_languages: list[str]
    relevant: list[frozenset[int]]


def load(folder: Path, embed: Embed, embed_queries: Embed) -> Loaded:
    """Cut and embed a set as the site does it."""
    found = evaluating.load_set(folder)
    limits = ParseLimits(timeout_s=settings.PARSE_TIMEOUT_S, max_memory_bytes=settings.PARSE_MEMORY_BYTES)
    passages, document_of = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for number, item in enumerate(found.items):
            path = item.path or Path(scratch, item.source_name)
            if item.path is None:
                path.write_text(item.text, encoding="utf-8")
            blocks = parse(path, source_name=item.source_name, limits=limits).blocks
            cuts = cut(blocks, max_tokens=settings.CHUNK_TOKENS, count_tokens=estimate_tokens, language=item.language)
            usable = [passage for passage in cuts if clean_text(passage.question + passage.text)]
            passages += usable
            document_of += [number] * len(usable)
    asked = [question for question in found.questions if question.relevant]
    positions = {item.id: number for number, item in enumerate(found.items)}
    questions = [clean_text(question.text[: settings.MAX_QUERY_CHARACTERS]) for question in asked]
    parts = [embedded_parts(passage) for passage in passages]
    texts = [text for text, _context, _share in parts]
    contexts = embed([context or "-" for _text, context, _share in parts])
    shares = np.array([share for _text, _context, share in parts], dtype=np.float32)
    return Loaded(
        found.name,
        texts,
        blend(embed(texts), contexts, shares),
        [passage.language for passage in passages],
        document_of,
        questions,
        embed_queries(questions),
        [question.language for question in asked],
        [frozenset(positions[key] for key in question.relevant) for question in asked],
    )


def measure(loaded: Loaded, *, limit: int, language: str = "") -> Measured:
    """Compare questions, in one language or in all, with every passage, as the index does it."""
    asked = [
        row for row, code in enumerate(loaded.question_languages) if not language or primary_language(code) == language
    ]
    if len(asked) > limit:
        # At random, since sets have their languages in a rhythm of their own.
        asked = sorted(np.random.default_rng(1).choice(asked, limit, replace=False).tolist())
    detected = [detect(loaded.questions[row]) for row in asked]
    asked_in = np.array([primary_language(code) for code in detected])
    primary = np.array([primary_language(code) for code in loaded.languages])
    document_of = np.array(loaded.document_of)
    by_document = [Counter(primary[document_of == number]) for number in range(document_of.max() + 1)]
    return Measured(
        loaded.name,
        loaded.question_vectors[asked] @ loaded.vectors.T,
        _shares(loaded, [loaded.questions[row] for row in asked], detected),
        primary,
        document_of,
        np.array([counts.most_common(1)[0][0] if counts else "" for counts in by_document]),
        asked_in,
        [primary_language(loaded.question_languages[row]) for row in asked],
        [loaded.relevant[row] for row in asked],
    )


def _shares(loaded: Loaded, questions: Sequence[str], languages: Sequence[str]) -> Scores:
    """Return what `index.lexical.term_share` gives for each question and passage."""
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row, (text, language) in enumerate(zip(loaded.texts, loaded.languages, strict=True)):
        counts = Counter(lexical_terms(text, language=language))
        length = 1 - B + B * counts.total() / MEAN_TERMS
        for term, count in counts.items():
            postings[term].append((row, count * (K1 + 1) / (count + K1 * length)))
    total = len(loaded.texts)
    shares = np.zeros((len(questions), total), dtype=np.float32)
    for row, (question, language) in enumerate(zip(questions, languages, strict=True)):
        terms = set(lexical_terms(question, language=language))
        for term in terms & postings.keys():
            found = postings[term]
            rarity = math.log(1 + (total - len(found) + 0.5) / (len(found) + 0.5))
            shares[row, [place for place, _weight in found]] += rarity * np.array([weight for _place, weight in found])
        shares[row] /= USUAL_WEIGHT * max(1, len(terms)) * math.log(1 + total)
    return np.minimum(1.0, shares)


def noise_of_languages(measured: Measured, *, least_passages: int) -> dict[str, Scores]:
    """Return what `ranking.relevance` calls the noise of each language, ``(questions,)``; see there."""
    similarities = {code: measured.similarities[:, measured.languages == code] for code in set(measured.languages)}
    return {
        code: np.sort(values, axis=1)[:, ::-1][:, NOISE_RANKS].mean(axis=1)
        for code, values in similarities.items()
        if values.shape[1] >= least_passages
    }


def ranked(measured: Measured, weights: Weights) -> Scores:
    """Return `ranking.relevances` of every passage for every question, all at once."""
    noise = noise_of_languages(measured, least_passages=NOISE_RANKS.start + 1)
    loudest = np.max(list(noise.values()), axis=0) if noise else np.float32(weights.noise_spread)
    least = loudest - weights.noise_spread
    taken = np.zeros_like(measured.similarities)
    for code in set(measured.languages):
        taken[:, measured.languages == code] = np.maximum(noise.get(code, least), least)[..., None]
    values: Scores = measured.similarities + weights.terms * measured.shares - weights.noise * taken
    found: Scores = np.where(measured.is_own, np.minimum(values, values * weights.own_language), values)
    return found


def check_formula(measured: Measured) -> None:
    """Stop where this file and the site do not mean the same by relevance."""
    evidence = [
        Evidence(float(similarity), float(share), language, bool(is_own))
        for similarity, share, language, is_own in zip(
            measured.similarities[0], measured.shares[0], measured.languages, measured.is_own[0], strict=True
        )
    ]
    if not np.allclose(relevances(evidence, Weights()), ranked(measured, Weights())[0], atol=1e-4):
        sys.exit("ranked() differs from searchapp.ranking.relevances: bring them together first")


def report(measured: Measured, scores: Scores) -> dict[str, float]:
    """Return nDCG@10 of all languages at once, within and across languages, and the share of own first hits."""
    # Passages stand in the order of their documents; a document without any stays last.
    starts = np.flatnonzero(np.diff(measured.document_of, prepend=-1))
    best = np.full((len(scores), len(measured.document_languages)), -9.0, dtype=np.float32)
    best[:, measured.document_of[starts]] = np.maximum.reduceat(scores, starts, axis=1)
    mixed, own_first = [], []
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, (relevant, language) in enumerate(zip(measured.relevant, measured.question_languages, strict=True)):
        order = np.argsort(-best[row], kind="stable")
        mixed.append(_ndcg(order, relevant))
        own_first.append(measured.document_languages[order[0]] == language)
        for code in {measured.document_languages[item] for item in relevant}:
            within = order[measured.document_languages[order] == code]
            gold = frozenset(item for item in relevant if measured.document_languages[item] == code)
            cells[language, str(code)].append(_ndcg(within, gold))
    return {
        "mixed": float(np.mean(mixed)),
        "mono": _mean([float(np.mean(values)) for (a, b), values in cells.items() if a == b]),
        "cross": _mean([float(np.mean(values)) for (a, b), values in cells.items() if a != b]),
        "own first": float(np.mean(own_first)),
    }


def _ndcg(order: NDArray[np.intp], relevant: frozenset[int]) -> float:
    gains = np.array([item in relevant for item in order[:10]], dtype=float)
    return float((gains * DISCOUNTS[: len(gains)]).sum() / DISCOUNTS[: min(10, len(relevant))].sum())


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def flooded(
    base: Loaded, flood: Loaded, *, base_language: str, flood_language: str, limit: int
) -> tuple[Measured, Measured]:
    """Return the questions in one language over their passages in it, alone and among those of another set."""
    own = [row for row, code in enumerate(base.languages) if primary_language(code) == base_language]
    other = [row for row, code in enumerate(flood.languages) if primary_language(code) == flood_language]
    shift = max(base.document_of) + 1
    alone = replace(
        base,
        texts=[base.texts[row] for row in own],
        vectors=base.vectors[own],
        languages=[base.languages[row] for row in own],
        document_of=[base.document_of[row] for row in own],
    )
    both = replace(
        alone,
        texts=alone.texts + [flood.texts[row] for row in other],
        vectors=np.concatenate([alone.vectors, flood.vectors[other]]),
        languages=alone.languages + [flood.languages[row] for row in other],
        document_of=alone.document_of + [shift + flood.document_of[row] for row in other],
    )
    return measure(alone, limit=limit, language=base_language), measure(both, limit=limit, language=base_language)


def recall_10(measured: Measured, scores: Scores) -> float:
    """Return the share of questions with a right document among the first ten."""
    found = 0
    for row, relevant in enumerate(measured.relevant):
        order = dict.fromkeys(measured.document_of[np.argsort(-scores[row])[:100]])
        found += bool(relevant & set(list(order)[:10]))
    return found / max(1, len(measured.relevant))


@dataclass(frozen=True)
class Best:
    """The best passages of questions, as `ranking.answering` sees them.

    ``features`` is ``(questions, ANSWER_RANKS, 4)``: similarity, share of words, how far above the noise of the
    language and above the rest, NaN where that is not known; ``passage_languages`` is ``(questions, ANSWER_RANKS)``,
    ``question_languages`` is ``(questions,)``.
    """

    features: NDArray[np.float64]
    question_languages: NDArray[np.str_]
    passage_languages: NDArray[np.str_]

    @property
    def is_own(self) -> NDArray[np.bool_]:
        """Whether a passage is in the question's language: ``(questions, ANSWER_RANKS)``."""
        return np.asarray(self.question_languages[:, None] == self.passage_languages)


def best_passages(measured: Measured, weights: Weights) -> Best:
    """Return what tells an answer of the first passages for each question."""
    relevance = ranked(measured, weights)
    order = np.argsort(-relevance, axis=1, kind="stable")
    rows = np.arange(len(order))[:, None]
    first = order[:, :ANSWER_RANKS]
    noise = np.full(relevance.shape, np.nan)
    for code, levels in noise_of_languages(measured, least_passages=NOISE_RANKS.start + LEAST_BEHIND).items():
        noise[:, measured.languages == code] = levels[:, None]
    rest = np.take_along_axis(relevance, order[:, NOISE_RANKS], axis=1).mean(axis=1, keepdims=True)
    similarity = measured.similarities[rows, first]
    features = [
        similarity,
        measured.shares[rows, first],
        similarity - noise[rows, first],
        relevance[rows, first] - rest,
    ]
    return Best(
        np.stack(features, axis=2).astype(np.float64),
        measured.detected,
        measured.languages[first],
    )


def answer_tests(answerable: Sequence[Best], absent: Sequence[Best]) -> tuple[AnswerTest, AnswerTest]:
    """Fit the tests of a good answer in the own and another language, with the floors of their languages.

    Sets count alike, however many questions they have. A question is represented by the passage of highest
    similarity and share of words among its first; the least sums are then the lowest that recognise
    ``LEAST_RECOGNISED`` of the questions without an answer.
    """
    tests = {is_own: _answer_test(answerable, absent, is_own=is_own) for is_own in (True, False)}
    # one shift of both, since a sum means the same chance in both
    margins = [_margins(best, tests) for best in absent]
    order = np.argsort(np.concatenate(margins))
    shares = np.concatenate([np.full(len(part), 1 / len(part) / len(margins)) for part in margins])[order]
    shift = float(np.concatenate(margins)[order][np.searchsorted(np.cumsum(shares), LEAST_RECOGNISED)])
    own, other = (_rounded(replace(tests[is_own], least=tests[is_own].least + shift)) for is_own in (True, False))
    return own, other


def _answer_test(answerable: Sequence[Best], absent: Sequence[Best], *, is_own: bool) -> AnswerTest:
    chosen = [[_strongest(best, is_own=is_own) for best in group] for group in (answerable, absent)]
    usual = np.nanmean(np.concatenate([best.features for best in chosen[0]]), axis=0)
    parts = [*chosen[0], *chosen[1]]
    sizes = [len(best.features) for best in parts]
    # answers one half of all, each set alike within its half
    labels = np.repeat([float(group is chosen[0]) for group in chosen for _best in group], sizes)
    shares = np.repeat([1 / len(group) / max(1, len(best.features)) for group in chosen for best in group], sizes)
    features = np.concatenate([best.features for best in parts])
    features = np.where(np.isnan(features), usual, features)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    points = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    fitted = _logistic(points, labels, shares, ridge=0.01)
    weights = fitted[:-1] / spread

    asked = np.concatenate([best.question_languages for best in parts])
    found = np.concatenate([best.passage_languages for best in parts])
    columns = [("question", asked, code) for code in sorted(set(asked))]
    columns += [] if is_own else [("passage", found, code) for code in sorted(set(found))]
    is_language = np.column_stack([values == code for _kind, values, code in columns]).astype(np.float64)
    short = _logistic(is_language, labels, shares, ridge=RIDGE_OF_LANGUAGES, known=points @ fitted)
    by_kind: dict[str, dict[str, float]] = {"question": {}, "passage": {}}
    for (kind, _values, code), value in zip(columns, short, strict=True):
        by_kind[kind][str(code)] = float(value)
    numbers = [*weights, *usual[2:], weights @ mean - fitted[-1]]
    return replace(_of_numbers(numbers), questions=by_kind["question"], passages=by_kind["passage"])


def _strongest(best: Best, *, is_own: bool) -> Best:
    """Return the strongest of the first passages of each question where it is, or is not, in the question's language.

    Its arrays have no axis of ranks.
    """
    rows = np.arange(len(best.features))
    strongest = (best.features[..., 0] + Weights().terms * best.features[..., 1]).argmax(axis=1)
    kept = best.is_own[rows, strongest] == is_own
    rows, strongest = rows[kept], strongest[kept]
    return Best(
        best.features[rows, strongest],
        best.question_languages[rows],
        best.passage_languages[rows, strongest],
    )


def _logistic(
    points: NDArray[np.float64],
    labels: NDArray[np.float64],
    shares: NDArray[np.float64],
    *,
    ridge: float,
    known: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Fit the weights of the columns by Newton's method, beside a part of the sum that is known."""
    shares = shares / shares.mean()
    fitted = np.zeros(points.shape[1])
    for _ in range(30):
        chances = 1 / (1 + np.exp(-known - points @ fitted))
        slope = points.T @ (shares * (labels - chances)) - ridge * fitted
        curve = (points.T * (shares * chances * (1 - chances))) @ points + ridge * np.eye(len(fitted))
        fitted += np.linalg.solve(curve, slope)
    return fitted


def _margins(best: Best, tests: dict[bool, AnswerTest]) -> NDArray[np.float64]:
    """Return by how much the best of the first passages of each question is above the floor of its languages."""
    margins = []
    for is_own, test in tests.items():
        usual = [0, 0, test.usual_above_noise, test.usual_above_rest]
        features = np.where(np.isnan(best.features), usual, best.features)
        sums = features @ [test.similarity, test.terms, test.above_noise, test.above_rest]
        floors = [
            [test.floor(asked, code) for code in codes]
            for asked, codes in zip(best.question_languages, best.passage_languages, strict=True)
        ]
        margins.append(np.where(best.is_own == is_own, sums - floors, -np.inf))
    return np.asarray(np.maximum(*margins).max(axis=1))


def _rounded(test: AnswerTest) -> AnswerTest:
    def of_languages(values: Mapping[str, float]) -> dict[str, float]:
        return {code: round(value, 2) for code, value in values.items() if abs(value) >= LEAST_DIFFERENCE}

    numbers = [round(getattr(test, name), 3) for name in NUMBERS]
    return replace(_of_numbers(numbers), questions=of_languages(test.questions), passages=of_languages(test.passages))


def _of_numbers(numbers: Sequence[float]) -> AnswerTest:
    named: dict[str, Any] = {name: float(value) for name, value in zip(NUMBERS, numbers, strict=True)}
    return AnswerTest(**named)


def main() -> None:
    parser = argparse.ArgumentParser(description="Find the constants of ranking for an embedding model.")
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--service", action="store_true", help="embed with EMBEDDING_BASE_URL instead of --model")
    parser.add_argument("--current", action="store_true", help="measure the constants as they are, try no others")
    parser.add_argument("--limit-queries", type=int, default=400)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    embed, embed_queries = _engines(arguments)
    limit = arguments.limit_queries
    sets = [load(folder, embed, embed_queries) for folder in arguments.sets]
    measured = [measure(loaded, limit=limit) for loaded in sets]
    check_formula(measured[0])
    floods = [
        (
            f"{base.name}:{own} + {flood.name}:{other}",
            *flooded(base, flood, base_language=own, flood_language=other, limit=limit),
        )
        for base, flood in itertools.permutations(sets, 2)
        for own, other in FLOODS
        if _has(base, own) and flood.languages.count(other) > LEAST_FLOOD
    ]
    results: list[tuple[float, Weights]] = []
    dense = [report(one, one.similarities) for one in measured]
    print("vectors alone", [{name: round(value, 3) for name, value in found.items()} for found in dense])
    candidates = [Weights(**dict(zip(GRID, values, strict=True))) for values in itertools.product(*GRID.values())]
    for weights in [Weights()] if arguments.current else candidates:
        found = [report(one, ranked(one, weights)) for one in measured]
        falls = [
            recall_10(alone, ranked(alone, weights)) - recall_10(both, ranked(both, weights))
            for _n, alone, both in floods
        ]
        worst = max(falls, default=0.0)
        mean = float(np.nanmean([value for one in found for name, value in one.items() if name != "own first"]))
        print(weights, f"mean {mean:.4f}, worst fall {worst:.3f}")
        for one, numbers in zip(measured, found, strict=True):
            print("   ", one.name, {name: round(value, 3) for name, value in numbers.items()})
        print("    falls", {name: round(fall, 3) for (name, _a, _b), fall in zip(floods, falls, strict=True)})
        results.append((mean - max(0.0, worst - 0.02), weights))
    weights = max(results, key=lambda result: result[0])[1]
    answerable = {one.name: best_passages(one, weights) for one in measured}
    absent = {
        (base.name, asker.name): best_passages(measure(_asked_by(base, asker), limit=limit), weights)
        for base, asker in itertools.permutations(sets, 2)
    }
    profile = Profile(weights, *answer_tests(list(answerable.values()), list(absent.values())))
    print(profile)
    tests = {True: profile.own, False: profile.other}
    lost = {name: float(np.mean(_margins(best, tests) < 0)) for name, best in answerable.items()}
    seen = {pair: float(np.mean(_margins(best, tests) < 0)) for pair, best in absent.items()}
    for name in answerable:
        recognised = np.mean([share for (base, _asker), share in seen.items() if base == name])
        print(f"    {name}: {lost[name]:.1%} of answerable lost, {recognised:.1%} of absent topics recognised")
    print(f"    all sets alike: {np.mean(list(lost.values())):.1%} and {np.mean(list(seen.values())):.1%}")
    if arguments.out:
        write_profile(profile, arguments.out)


def _engines(arguments: argparse.Namespace) -> tuple[Embed, Embed]:
    if arguments.service:
        embedder = Embedder(
            settings.EMBEDDING_BASE_URL,
            settings.EMBEDDING_MODEL,
            api_key=settings.EMBEDDING_API_KEY,
            dimensions=settings.EMBEDDING_DIMENSIONS,
        )
        return embedder.embed_documents, lambda texts: np.stack([embedder.embed_query(text) for text in texts])
    model = load_model(arguments.model)
    return (lambda texts: model.encode(texts).vectors), (lambda texts: model.encode(texts).vectors)


def _has(loaded: Loaded, language: str) -> bool:
    return language in loaded.languages and language in loaded.question_languages


def _asked_by(base: Loaded, asker: Loaded) -> Loaded:
    """Return the passages of one set with the questions of another, none of which they answer."""
    return replace(
        base,
        questions=asker.questions,
        question_vectors=asker.question_vectors,
        question_languages=asker.question_languages,
        relevant=[frozenset() for _question in asker.questions],
    )


if __name__ == "__main__":
    main()
