"""The way from a corpus to a model, stage by stage."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from training import teacher
from training.batches import Sampler
from training.corpus import Group
from training.encoded import EncodedCorpus, encode_corpus
from training.errors import TrainingError
from training.evaluate import Encoder, EvaluationSet, cross_lingual, evaluate, mean_ndcg
from training.export import export
from training.model import Losses, TokenTable, starting_vectors
from training.recipe import Recipe
from training.sharing import share_rows
from training.teacher import FloatArray, Lesson
from training.tokenizer import WORD_START, silent_tokens, tokens_of, train_tokenizer

logger = logging.getLogger(__name__)

_LOG_EVERY_STEPS = 100
_TOKENIZER_SEED, _TEACHER_SEED = 1, 2


class Stages:
    """Keep what the slow stages before the training made, so that a stopped run goes on where it was.

    Args:
        folder: made if missing; holds the files of one corpus and recipe.
        made_from: what the stages depend on; a folder made from anything else is refused.

    Raises:
        TrainingError: the folder belongs to another training.
    """

    def __init__(self, folder: Path, made_from: dict[str, object]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "made_from.json"
        wanted = json.dumps(made_from, indent=1, sort_keys=True)
        if not record.exists():
            record.write_text(wanted, encoding="utf-8")
        elif record.read_text(encoding="utf-8") != wanted:
            raise TrainingError(f"{folder} holds the stages of another corpus or recipe; empty it or name another")

    def tokenizer(self, make: Callable[[], Tokenizer]) -> Tokenizer:
        """Return the tokenizer, made at the first call."""
        file = self._folder / "tokenizer.json"
        if not file.exists():
            make().save(str(file))
            logger.info("learned the tokenizer")
        return Tokenizer.from_file(str(file))

    def vectors(self, name: str, make: Callable[[], FloatArray]) -> FloatArray:
        """Return an array, made at the first call."""
        file = self._folder / f"{name}.npy"
        if not file.exists():
            np.save(file, make())
            logger.info("read %s", name)
        loaded: FloatArray = np.load(file)
        return loaded


def prepare(groups: Sequence[Group], recipe: Recipe, *, stages: Stages) -> tuple[Tokenizer, EncodedCorpus, Lesson]:
    """Learn the tokenizer, hear the teacher and encode the corpus.

    Each stage draws from a generator of its own, so that a stage read from a file changes no other. They are
    the same for every seed of the training, which may so share them.
    """
    tokenizer = stages.tokenizer(
        lambda: train_tokenizer(groups, vocabulary=recipe.vocabulary, rng=np.random.default_rng(_TOKENIZER_SEED))
    )
    texts = teacher.choose_texts(groups, np.random.default_rng(_TEACHER_SEED))
    lesson = teacher.make_lesson(
        texts,
        stages.vectors("teacher_texts", lambda: teacher.read_texts(texts)),
        stages.vectors("teacher_tokens", lambda: teacher.read_tokens(tokens_of(tokenizer), word_start=WORD_START)),
        dimensions=recipe.dimensions,
    )
    corpus = encode_corpus(groups, tokenizer, texts)
    logger.info(
        "encoded %d texts of %d groups: %d tokens",
        len(corpus.languages),
        len(corpus.english_counts),
        len(corpus.tokens),
    )
    return tokenizer, corpus, lesson


def train(
    corpus: EncodedCorpus,
    lesson: Lesson,
    tokenizer: Tokenizer,
    recipe: Recipe,
    *,
    seed: int,
    out: Path,
    evaluation_sets: Sequence[EvaluationSet],
    checkpoint_steps: int,
) -> None:
    """Train and write the model, at the end and at every checkpoint.

    A checkpoint is a whole model that can be used, so a training may be stopped at any time. What it
    scores is logged and steers nothing.

    Args:
        corpus: what ``prepare`` made, as the next two.
        lesson: texts, targets and starting directions.
        tokenizer: shipped with the vectors.
        recipe: all numbers.
        seed: fixes the start and the batches. Sums in another order (more threads, another processor)
            may still move scores by some tenths of a per cent.
        out: folder of the model.
        evaluation_sets: scored at checkpoints.
        checkpoint_steps: steps between two checkpoints.
    """
    silent = silent_tokens(tokenizer)
    start_rng, batch_rng, share_rng = (np.random.default_rng([seed, stage]) for stage in (3, 4, 5))
    counts = np.bincount(corpus.tokens, minlength=len(lesson.tokens))
    start = starting_vectors(lesson.tokens, counts, silent=silent, rng=start_rng)
    table = TokenTable(start, lesson.targets, recipe)
    sampler = Sampler(corpus, recipe)
    sharing_step = 1 + round(recipe.steps * (1 - recipe.sharing_share))
    started_s = time.monotonic()
    losses: list[Losses] = []
    with ThreadPoolExecutor(max_workers=1) as ahead:
        upcoming = ahead.submit(sampler.draw, batch_rng)
        for step in range(1, recipe.steps + 1):
            batch, upcoming = upcoming.result(), ahead.submit(sampler.draw, batch_rng)
            if step == sharing_step and recipe.rows < recipe.vocabulary:
                table.share(share_rows(table.vectors.tokens, counts, recipe, rng=share_rng))
                logger.info("shared %d rows", len(table.vectors.rows))
            losses.append(table.step(batch, learning_rate=_learning_rate(recipe, step)))
            if step % _LOG_EVERY_STEPS == 0:
                contrast, taught = np.mean([(loss.contrast, loss.teacher) for loss in losses], axis=0)
                passed_s = time.monotonic() - started_s
                logger.info("step %d: contrast %.3f, teacher %.3f, %.0f s", step, contrast, taught, passed_s)
                losses.clear()
            if step % checkpoint_steps == 0 or step == recipe.steps:
                export(out, vectors=table.vectors, tokenizer=tokenizer)
                _log_scores(out, evaluation_sets)


def fix_threads(threads: int) -> None:
    """Use so many threads, and the same sums in every run."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)


def _learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of a step: up to the peak, level, and straight down to nothing after the last."""
    warm = step / recipe.warmup_steps
    cool = (recipe.steps + 1 - step) / (recipe.cooldown_share * recipe.steps)
    return recipe.learning_rate * min(warm, cool, 1)


def _log_scores(folder: Path, evaluation_sets: Sequence[EvaluationSet]) -> None:
    encoder = Encoder(folder)
    for evaluation_set in evaluation_sets:
        scores = evaluate(encoder, evaluation_set)
        if pairs := cross_lingual(scores, encoder.languages):
            logger.info("%s: cross-lingual nDCG@10 %.1f %%", evaluation_set.name, 100 * mean_ndcg(scores, pairs))
