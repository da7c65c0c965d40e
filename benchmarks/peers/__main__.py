"""Our search against what a user would otherwise build. Usage: python -m benchmarks.peers --help."""

import argparse
import json
import os
import subprocess
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from benchmarks.fresh_site import set_up
from benchmarks.peers.serve import PEERS
from searchapp.metrics import QueryScore, bootstrap_difference, mean_scores, score_ranking

if TYPE_CHECKING:
    from searchapp.services.evaluating import EvaluationSet, Question

ROOT = Path(__file__).parents[2]
OURS = "isogloss"
# What a page shows: so much is asked for where time is measured.
PASSAGES_SHOWN = 10
# Ten documents are scored; several passages may be of one.
PASSAGES_OF_TEXTS = 30
PASSAGES_OF_FILES = 100

Search = Callable[..., list[str]]


class Peer:
    """A peer's process."""

    def __init__(self, stack: ExitStack, name: str, *, python: Path, environment: dict[str, str], log: Path) -> None:
        self._process = stack.enter_context(
            subprocess.Popen(
                [python, "-m", "benchmarks.peers.serve", name, f"peer-{name}-{uuid.uuid4().hex[:8]}"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(log.open("w")),
                text=True,
            )
        )
        self._name, self._log = name, log
        stack.callback(self._stop)

    def ask(self, **request: Any) -> tuple[list[str], float]:
        """Return what the peer found and the milliseconds that it took.

        Raises:
            RuntimeError: it has died.
        """
        requests, answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        print(json.dumps(request), file=requests, flush=True)
        line = answers.readline()
        if not line:
            raise RuntimeError(f"{self._name} has died: see {self._log}")
        answer = json.loads(line)
        return answer["found"], answer["took_ms"]

    def _stop(self) -> None:
        cast("IO[str]", self._process.stdin).close()
        self._process.terminate()


@dataclass(slots=True)
class Results:
    """What one system answered: scores by question for all languages at once and for pairs, and its times."""

    mixed: list[QueryScore] = field(default_factory=list)
    pairs: dict[tuple[str, str], list[QueryScore]] = field(default_factory=lambda: defaultdict(list))
    took_ms: list[float] = field(default_factory=list)

    def scores(self, part: str) -> list[QueryScore]:
        """Return the scores of a part: one for each question, or one for each pair of languages."""
        if part == "mixed":
            return self.mixed
        means = ((pair, mean_scores(scores)) for pair, scores in sorted(self.pairs.items()))
        return [mean for (asked, found), mean in means if mean and (asked == found) == (part == "monolingual")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="evaluation sets: docs/evaluation.md")
    parser.add_argument("--data-dir", type=Path, required=True, help="an empty folder for the site and the logs")
    parser.add_argument(
        "--python", type=Path, required=True, help="interpreter of the environment with the dependency group peers"
    )
    parser.add_argument("--limit-queries", type=int, default=100)
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take only every Nth text, in all its languages"
    )
    parser.add_argument("--languages", type=int, default=99, help="ask each question in its own and N other languages")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--out", type=Path, help="write all figures here, with each pair of languages")
    options = parser.parse_args()
    set_up(options.data_dir)
    from searchapp.management.servers import servers_running

    figures: dict[str, Any] = {}
    with servers_running():
        for folder in options.folders:
            results = _compare(folder, options)
            figures[folder.resolve().name] = _figures(results)
            _print(folder.resolve().name, results)
            if options.out:
                options.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _compare(folder: Path, options: argparse.Namespace) -> dict[str, Results]:
    from django.conf import settings

    from benchmarks.peers.ours import Ours, plain_text
    from searchapp.services import evaluating, generations

    chosen = _every(evaluating.load_set(folder), options.every)
    name = chosen.name
    passages = PASSAGES_OF_FILES if any(item.path for item in chosen.items) else PASSAGES_OF_TEXTS
    ours = Ours(f"peers-{uuid.uuid4().hex[:8]}")
    ours.index(chosen.items)
    documents = options.data_dir / f"{name}.jsonl"
    with documents.open("w", encoding="utf-8") as lines:
        for item in chosen.items:
            row = {"id": item.id, "language": ours.languages[item.id], "text": plain_text(item)}
            print(json.dumps(row, ensure_ascii=False), file=lines)
    environment = {
        "EMBEDDING_BASE_URL": settings.EMBEDDING_BASE_URL,
        "EMBEDDING_API_KEY": settings.EMBEDDING_API_KEY or "EMPTY",
        "EMBEDDING_MODEL": settings.EMBEDDING_MODEL,
        "EMBEDDING_DIMENSIONS": str(generations.live_embedder().dimensions),
        "QDRANT_URL": settings.QDRANT_URL,
        "QDRANT_API_KEY": settings.QDRANT_API_KEY,
    }
    with ExitStack() as stack:
        searches: dict[str, Callable[..., tuple[list[str], float]]] = {OURS: _timed(ours.search)}
        for peer_name in options.only:
            log = options.data_dir / f"{name}.{peer_name}.log"
            peer = Peer(stack, peer_name, python=options.python, environment=environment, log=log)
            _found, took_ms = peer.ask(index=str(documents))
            print(f"{name}: {peer_name} took in {len(chosen.items)} documents in {took_ms / 1000:.0f} s", flush=True)
            searches[peer_name] = peer.ask
        questions = [question for question in chosen.questions if question.relevant]
        count = min(options.limit_queries, len(questions))
        spread = [questions[place * len(questions) // count] for place in range(count)]
        return _ask(searches, spread, ours.languages, passages=passages, others=options.languages)


def _every(whole: "EvaluationSet", step: int) -> "EvaluationSet":
    """Leave out most texts of a set, always with all their languages, and the questions to them."""
    if step == 1:
        return whole
    texts = sorted({question.relevant for question in whole.questions if question.relevant}, key=min)[::step]
    kept = frozenset[str]().union(*texts)
    return replace(
        whole,
        items=tuple(item for item in whole.items if item.id in kept),
        questions=tuple(
            question for question in whole.questions if question.relevant and question.relevant.keys() <= kept
        ),
    )


def _ask(
    searches: dict[str, Callable[..., tuple[list[str], float]]],
    questions: Sequence["Question"],
    languages: dict[str, str],
    *,
    passages: int,
    others: int,
) -> dict[str, Results]:
    results = {name: Results() for name in searches}
    order = list(searches)
    for text in ["warm", "up", "now"]:
        for search in searches.values():
            search(question=text, language=None, limit=passages)
    for number, question in enumerate(questions):
        relevant: dict[str | None, set[str]] = defaultdict(set)
        for item in question.relevant:
            relevant[None].add(item)
            relevant[languages[item]].add(item)
        order.append(order.pop(0))  # nobody is always the first
        # The first time that the question is asked: no system remembers its vector.
        for name in order:
            _found, took_ms = searches[name](question=question.text, language=None, limit=PASSAGES_SHOWN)
            results[name].took_ms.append(took_ms)
        foreign = sorted(key for key in relevant if key and key != question.language)
        turn = number * others % max(1, len(foreign))  # so that all pairs get their share
        own = [question.language] if question.language in relevant else []
        for language in [None, *own, *[*foreign[turn:], *foreign[:turn]][:others]]:
            for name in order:
                found, _took_ms = searches[name](question=question.text, language=language, limit=passages)
                score = score_ranking(list(dict.fromkeys(found)), relevant[language])
                if language is None:
                    results[name].mixed.append(score)
                else:
                    results[name].pairs[question.language, language].append(score)
    return results


def _timed(search: Search) -> Callable[..., tuple[list[str], float]]:
    def timed(*, question: str, language: str | None, limit: int) -> tuple[list[str], float]:
        started = time.perf_counter()
        found = search(question, language=language, limit=limit)
        return found, (time.perf_counter() - started) * 1000

    return timed


PARTS = ("mixed", "cross-lingual", "monolingual")


def _print(set_name: str, results: dict[str, Results]) -> None:
    ours = results[OURS]
    print(f"\n{set_name}: nDCG@10 (R@1), and ours less theirs with its 95 % interval")
    print(f"{'':<14}" + "".join(f"{part:>40}" for part in PARTS) + f"{'p50 ms':>9}{'theirs/ours':>13}")
    for name, result in results.items():
        line = f"{name:<14}"
        for part in PARTS:
            scores, own = result.scores(part), ours.scores(part)
            if not scores:
                line += f"{'':>40}"
                continue
            theirs, our_own = ([score.ndcg_10 for score in rows] for rows in (scores, own))
            first = float(np.mean([score.recall_1 for score in scores]))
            cell = f"{np.mean(theirs):.3f} ({first:.3f})"
            if result is not ours:
                difference = bootstrap_difference(theirs, our_own)
                cell += f" {difference.mean:+.3f} [{difference.low:+.3f} {difference.high:+.3f}]"
            line += f"{cell:>40}"
        median = float(np.median(result.took_ms))
        print(line + f"{median:>9.1f}{median / float(np.median(ours.took_ms)):>13.2f}")


def _figures(results: dict[str, Results]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, result in results.items():
        parts = {
            part: {
                "ndcg_10": float(np.mean([score.ndcg_10 for score in scores])),
                "recall_1": float(np.mean([score.recall_1 for score in scores])),
                "recall_10": float(np.mean([score.recall_10 for score in scores])),
            }
            for part in PARTS
            if (scores := result.scores(part))
        }
        pairs = {
            f"{asked}>{found}": mean.ndcg_10
            for (asked, found), scores in sorted(result.pairs.items())
            if (mean := mean_scores(scores))
        }
        figures[name] = {
            **parts,
            "pairs_ndcg_10": pairs,
            "took_ms_p50": float(np.median(result.took_ms)),
            "took_ms_p95": float(np.percentile(result.took_ms, 95)),
        }
    return figures


if __name__ == "__main__":
    main()
