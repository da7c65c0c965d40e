"""Train the built-in model with one command; see ``README.md``."""

import argparse
import hashlib
import logging
import os
import sys
from pathlib import Path

from training.corpus import read_corpus, share_alike_sources
from training.errors import TrainingError
from training.evaluate import read_set
from training.guard import check_corpus
from training.recipe import Recipe
from training.train import Stages, fix_threads, prepare, train

_QUESTIONS = Path(__file__).with_name("questions.jsonl")


def main() -> None:
    """Train the built-in model."""
    parser = argparse.ArgumentParser(prog="training", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, action="append", required=True, help="corpus file; may be repeated")
    parser.add_argument("--eval-folder", type=Path, nargs="+", required=True, help="evaluation sets, kept out")
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files of the model")
    parser.add_argument("--stages", type=Path, help="folder for intermediate results; default: OUT-stages")
    parser.add_argument("--seed", type=int, default=7, help="of the start and the batches (%(default)s)")
    parser.add_argument("--steps", type=int, default=Recipe().steps, help="batches to learn from (%(default)s)")
    parser.add_argument(
        "--batch-pairs", type=int, default=Recipe().batch_pairs, help="pairs of one batch (%(default)s)"
    )
    parser.add_argument("--vocabulary", type=int, default=Recipe().vocabulary, help="tokens (%(default)s)")
    parser.add_argument("--checkpoint-steps", type=int, default=1000, help="steps between models (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads (%(default)s)")
    parser.add_argument(
        "--without-share-alike",
        type=Path,
        nargs="+",
        default=[],
        metavar="SOURCES.tsv",
        help="leave out sources whose licence in these tables has a share-alike clause",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        _run(options)
    except TrainingError as error:
        sys.exit(f"training: {error}")


def _run(options: argparse.Namespace) -> None:
    fix_threads(options.threads)
    recipe = Recipe(steps=options.steps, batch_pairs=options.batch_pairs, vocabulary=options.vocabulary)
    without = {source for table in options.without_share_alike for source in share_alike_sources(table)}
    stages = Stages(
        options.stages or options.out.with_name(f"{options.out.name}-stages"),
        {
            "corpus": [hashlib.sha256(file.read_bytes()).hexdigest() for file in options.corpus],
            "without": sorted(without),
            "vocabulary": recipe.vocabulary,
        },
    )
    groups = read_corpus([*options.corpus, _QUESTIONS], without=without)
    check_corpus(groups, options.eval_folder)
    tokenizer, corpus, lesson = prepare(groups, recipe, stages=stages)
    del groups  # 2 GB that the training does not need
    train(
        corpus,
        lesson,
        tokenizer,
        recipe,
        seed=options.seed,
        out=options.out,
        evaluation_sets=[read_set(folder) for folder in options.eval_folder],
        checkpoint_steps=options.checkpoint_steps,
    )


if __name__ == "__main__":
    main()
