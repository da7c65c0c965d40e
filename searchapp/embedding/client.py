"""The client of the embedding service."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import openai
from numpy.typing import NDArray
from tokenizers import Tokenizer

from searchapp.embedding.concurrency import MOST_REQUESTS, Limiter
from searchapp.embedding.errors import (
    EmbeddingBusyError,
    EmbeddingItemError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
)
from searchapp.embedding.parts import split_text
from searchapp.embedding.presets import QWEN3, Frame, context_of, family_of, frame_of
from searchapp.embedding.service import ServiceInfo, count_tokens_at, describe_service
from searchapp.embedding.tokens import estimate_tokens, most_tokens
from searchapp.embedding.transport import TextsRefusedError, TurnedAwayError, request_vectors

logger = logging.getLogger(__name__)

MAX_BATCH_ITEMS = 64
# SGLang prefills in chunks of 8192 tokens by default; larger batches only wait longer for their first vector.
MAX_BATCH_TOKENS = 8_192
# A batch that the service is too busy for is worth a few quick tries; longer outages are the caller's to wait out.
QUICK_RETRIES = 2
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 10.0
# Without the vector, words alone answer a question: better at once than after seconds.
FIRST_QUERY_BACKOFF_S = 0.1
LONGEST_QUERY_BACKOFF_S = 0.5
# A person waits for the vector of a question, so each try for it is shorter than those for documents.
QUERY_TIMEOUT_S = 10.0
# A service that took a question and never answered is not asked the next for so long, except by one that tries it.
SILENCE_S = 10.0
# Servers normalise in their own precision: bf16 gives norms within 0.3 % of one. Far outside lies a fault.
SMALLEST_NORM = 1e-6
# A text that is refused though it should not be too long is embedded in two, four and eight parts; what is refused
# still is refused for something else than its length. No service refuses so few characters for their number.
MOST_HALVINGS = 3
SHORTEST_HALVED = 100
# A service that did not tell about itself is asked again after this long.
DESCRIBE_AGAIN_S = 60.0
# Any service takes this text, so one that refuses it refuses everything.
HARMLESS_TEXT = "check"


def format_query(text: str, instruction: str) -> str:
    """Return the query as Qwen3-Embedding wants it: no blank after ``Query:`` (model card)."""
    return QWEN3.frame_query(text, instruction)


class Embedder:
    """Embed documents and queries with one model.

    Thread-safe. What it needs to know of the service it asks when it first needs it.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "EMPTY",
        dimensions: int = 0,
        timeout_s: float = 60.0,
        family: str = "auto",
        max_tokens: int = 0,
        tokenizer: Path | None = None,
    ) -> None:
        """Remember where the service is; nothing is sent yet.

        Args:
            base_url: address of the service, ends in ``/v1``.
            model: name under which the service serves the model.
            api_key: key of the service; any text where it wants none.
            dimensions: length that vectors are cut to, then normalised again; 0 keeps the model's own.
            timeout_s: longest wait for one request.
            family: key in `FAMILIES`; ``auto`` takes what the name tells, else what the service calls the model.
            max_tokens: a text must have fewer tokens than this; 0 takes what the service or the model's card says.
            tokenizer: ``tokenizer.json`` of the model, or its folder; else tokens are counted by the service.
        """
        self.model = model
        self.base_url = base_url
        self._api_key = api_key or "EMPTY"
        self._timeout_s = timeout_s
        self._wanted_dimensions = dimensions
        self._known_dimensions = 0
        self._is_suspect = True
        self._silent_until = 0.0
        self._asks_for_dimensions = True
        self._family = family
        self._max_tokens = max_tokens
        self._tokenizer_path = tokenizer
        self._limiter = Limiter()
        self._items_a_batch = float(MAX_BATCH_ITEMS)
        self._info = ServiceInfo()
        self._described_at = -DESCRIBE_AGAIN_S
        self._describing = threading.Lock()
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=self._api_key,
            timeout=openai.Timeout(timeout_s, connect=5.0),
            max_retries=0,
        )

    @property
    def dimensions(self) -> int:
        """Return the length of the vectors, found by embedding one word on first use.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        if not self._known_dimensions:
            self._embed([HARMLESS_TEXT], _Patience(self._timeout_s))
        return self._known_dimensions

    @property
    def max_tokens(self) -> int:
        """Return the number of tokens that a text must stay below."""
        return self._max_tokens or self._service().context_length or context_of(self.model)

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the codes of the languages that the model knows, as its service tells; empty where it does not."""
        return self._service().languages

    @property
    def family(self) -> str:
        """Return the key in `FAMILIES` of the model."""
        return self._family_and_name[0]

    def check(self) -> None:
        """Ask the service for one vector if it did not answer the last time; cheap otherwise.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        if self._is_suspect:
            self._embed([HARMLESS_TEXT], _Patience(self._timeout_s))

    def embed_documents(self, texts: Sequence[str], *, timeout_s: float | None = None) -> NDArray[np.float32]:
        """Embed passages, without an instruction, in the order given.

        A text longer than the model can read, or that the service refuses, is embedded in parts, whose mean by tokens
        is its vector.

        Args:
            texts: cleaned, none blank.
            timeout_s: longest wait for one batch, without retries; else that of the client, with them.

        Returns:
            ``(len(texts), dimensions)`` float32, unit L2 norm.

        Raises:
            EmbeddingUnavailableError: no connection, no answer in time, or the service says try later.
            EmbeddingBusyError: the service broke over the request.
            EmbeddingItemError: one text is at fault; its position is named.
            EmbeddingRefusedError: the request or the vectors are wrong.
        """
        vectors, errors = self.try_documents(texts, timeout_s=timeout_s)
        if errors:
            raise errors[min(errors)]
        return vectors

    def try_documents(
        self, texts: Sequence[str], *, timeout_s: float | None = None
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        """Embed passages as `embed_documents`, and give back the errors of single texts beside the vectors.

        Returns:
            ``(len(texts), dimensions)`` float32, unit L2 norm or zeros where the text is at fault; and the
            error of each text that is, by its position.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32), {}
        patience = _Patience(self._timeout_s) if timeout_s is None else _Patience(timeout_s, retries=0)
        return self._embed_whole(texts, [self._frame.frame_document] * len(texts), patience)

    def frame_query(self, text: str, *, instruction: str = "") -> str:
        """Return a question as the model sees it; questions that are framed alike have the same vector."""
        return self._frame.frame_query(text, instruction)

    def embed_query(self, text: str, *, instruction: str = "") -> NDArray[np.float32]:
        """Embed one question with the instruction that says what it is meant to find.

        Returns:
            ``(dimensions,)`` float32, unit L2 norm.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        vector: NDArray[np.float32] = self.embed_queries(text, instructions=[instruction])[0]
        return vector

    def embed_queries(
        self, text: str, *, instructions: Sequence[str], beside: Sequence[str] = ()
    ) -> NDArray[np.float32]:
        """Embed one question once with each instruction, in one request that passes by those for documents.

        After a question that was not answered in time the next ones fail at once, for ten seconds or until the
        service answers anything.

        Args:
            text: the question, cleaned, not blank.
            instructions: what it is meant to find.
            beside: passages that are to be embedded in the same request, by the same weights therefore.

        Returns:
            ``(len(instructions) + len(beside), dimensions)`` float32, unit L2 norm.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        self._take_turn_in_silence()
        frame = self._frame
        frames = [partial(frame.frame_query, instruction=instruction) for instruction in instructions]
        patience = _Patience(min(self._timeout_s, QUERY_TIMEOUT_S), is_first=True)
        try:
            vectors, errors = self._embed_whole(
                [text] * len(frames) + list(beside), frames + [frame.frame_document] * len(beside), patience
            )
        except EmbeddingUnavailableError as exc:
            if exc.code == "embedding_timeout":
                self._silent_until = time.monotonic() + SILENCE_S
            raise
        if errors:
            raise errors[min(errors)]
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has: exact where a tokenizer is at hand, else never below the truth."""
        if self._tokenizer is not None:
            return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]
        if texts and self._service().has_tokenize:
            counts = count_tokens_at(self.base_url, texts, model=self.model, api_key=self._api_key)
            if counts:
                return counts
        return [most_tokens(text) for text in texts]

    def _take_turn_in_silence(self) -> None:
        """Let pass one question at a time while the service answers none.

        Raises:
            EmbeddingUnavailableError: another is at it, or was a moment ago.
        """
        now = time.monotonic()
        if now < self._silent_until:
            raise EmbeddingUnavailableError("embedding_timeout", "it did not answer the last question either")
        if self._silent_until:
            self._silent_until = now + SILENCE_S

    @cached_property
    def _family_and_name(self) -> tuple[str, str]:
        if self._family != "auto":
            return self._family, self.model
        for name in (self.model, self._service().model_path if family_of(self.model) == "none" else ""):
            if (family := family_of(name)) != "none":
                return family, name
        return "none", self.model

    @property
    def _frame(self) -> Frame:
        return frame_of(*self._family_and_name)

    @cached_property
    def _tokenizer(self) -> Tokenizer | None:
        if self._tokenizer_path is None:
            return None
        path = self._tokenizer_path
        try:
            tokenizer = Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))
        except Exception as exc:  # the library raises nothing narrower
            raise EmbeddingRefusedError("embedding_tokenizer", f"{path}: {exc}") from exc
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _service(self) -> ServiceInfo:
        """Return what the service tells about itself, asked once it told something and else now and then."""
        with self._describing:
            is_untold = self._info == ServiceInfo()
            if is_untold and time.monotonic() - self._described_at > DESCRIBE_AGAIN_S:
                self._info = describe_service(self.base_url, model=self.model, api_key=self._api_key)
                self._described_at = time.monotonic()
            return self._info

    def _embed_whole(
        self, texts: Sequence[str], frames: Sequence[Callable[[str], str]], patience: "_Patience"
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        """Embed texts of any length: the mean of the parts of those that are too long."""
        split = self._split(texts, frames)
        if not split:
            return self._embed_or_halve(texts, frames, patience)
        parts: list[str] = []
        owners: list[int] = []
        for position, text in enumerate(texts):
            own = split.get(position, [text])
            parts += own
            owners += [position] * len(own)
        vectors, errors = self._embed_or_halve(parts, [frames[owner] for owner in owners], patience)
        weights = np.array([estimate_tokens(part) + 1 for part in parts], dtype=np.float32)
        for position, count in self._exact_weights(split, parts, owners):
            weights[position] = count
        return _means(vectors, errors, owners=owners, weights=weights)

    def _embed_or_halve(
        self,
        texts: Sequence[str],
        frames: Sequence[Callable[[str], str]],
        patience: "_Patience",
        *,
        halvings: int = MOST_HALVINGS,
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        """Embed texts that should not be too long, and those that are refused by the mean of their halves."""
        vectors, errors = self._embed_batches(
            [frame(text) for text, frame in zip(texts, frames, strict=True)], patience
        )
        refused = [position for position in errors if len(texts[position]) >= SHORTEST_HALVED]
        if not refused or not halvings or not patience.retries:
            return vectors, errors
        halves = [split_text(texts[position], _is_shorter_than(texts[position])) for position in refused]
        parts = [part for own in halves for part in own]
        owners = [owner for owner, own in enumerate(halves) for _part in own]
        part_frames = [frames[refused[owner]] for owner in owners]
        found, part_errors = self._embed_or_halve(parts, part_frames, patience, halvings=halvings - 1)
        weights = np.array([estimate_tokens(part) + 1 for part in parts], dtype=np.float32)
        vectors[refused], still_refused = _means(found, part_errors, owners=owners, weights=weights)
        for owner, position in enumerate(refused):
            if owner not in still_refused:
                code = errors.pop(position).code
                logger.info("a text that was refused was embedded by its parts", extra={"code": code})
        return vectors, errors

    def _exact_weights(
        self, split: Mapping[int, Sequence[str]], parts: Sequence[str], owners: Sequence[int]
    ) -> Iterator[tuple[int, int]]:
        positions = [position for position, owner in enumerate(owners) if owner in split]
        counts = self.count_tokens([parts[position] for position in positions])
        return zip(positions, counts, strict=True)

    def _split(self, texts: Sequence[str], frames: Sequence[Callable[[str], str]]) -> dict[int, list[str]]:
        """Return the parts of each text that is too long for the model, by its position."""
        # Every model known reads 512 tokens, so what cannot have as many needs no question to the service.
        least_cap = self._max_tokens or 512
        reserves = {frame: most_tokens(frame("x")) for frame in dict.fromkeys(frames)}
        suspects = [
            position
            for position, (text, frame) in enumerate(zip(texts, frames, strict=True))
            # The first is much the faster: no tokenizer makes more tokens of ASCII than there are characters.
            if not (text.isascii() and len(text) < least_cap - reserves[frame])
            and most_tokens(frame(text)) >= least_cap
        ]
        if not suspects:
            return {}
        cap = self.max_tokens
        suspects = [position for position in suspects if most_tokens(frames[position](texts[position])) >= cap]
        counts = self.count_tokens([frames[position](texts[position]) for position in suspects])

        def fits(part: str, frame: Callable[[str], str]) -> bool:
            framed = frame(part)
            return most_tokens(framed) < cap or self.count_tokens([framed])[0] < cap

        return {
            position: split_text(texts[position], partial(fits, frame=frames[position]))
            for position, count in zip(suspects, counts, strict=True)
            if count >= cap
        }

    def _embed_batches(
        self, texts: Sequence[str], patience: "_Patience"
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        """Embed texts that are not too long, several batches at once."""
        batches = list(_batches(texts, most_items=max(1, int(self._items_a_batch))))
        if len(batches) == 1:
            return self._embed(texts, patience)
        futures = [self._pool.submit(self._embed, texts[start:end], patience) for start, end in batches]
        rows: list[NDArray[np.float32]] = []
        errors: dict[int, EmbeddingItemError] = {}
        try:
            for future, (start, _end) in zip(futures, batches, strict=True):
                vectors, found = future.result()
                rows.append(vectors)
                for position, error in found.items():
                    error.position = start + position
                    errors[start + position] = error
        finally:
            for future in futures:
                future.cancel()
        if len({row.shape[1] for row in rows}) != 1:
            raise EmbeddingRefusedError("embedding_dimensions", "vectors of several lengths from one service")
        return np.concatenate(rows), errors

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MOST_REQUESTS, thread_name_prefix="embedding")

    def _embed(
        self, texts: Sequence[str], patience: "_Patience"
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        """Embed one batch; where it fails for a reason that may lie in a text, look for that text."""
        try:
            return self._request(texts, patience)
        except TurnedAwayError:
            # Where every text counts against the service's queue, a batch may be too long for it for ever.
            if len(texts) == 1 or not patience.retries:
                raise
            self._items_a_batch = max(1.0, min(self._items_a_batch, len(texts) / 2))
        except (TextsRefusedError, EmbeddingBusyError) as exc:
            if not patience.retries or self._refuses_everything(patience):
                raise
            if len(texts) == 1:
                if isinstance(exc, EmbeddingBusyError) and (found := self._once_more(texts, patience)):
                    return found
                error = EmbeddingItemError("embedding_refused", exc.detail)
                return np.zeros((1, self.dimensions), dtype=np.float32), {0: error}
        middle = len(texts) // 2
        (left, left_errors), (right, right_errors) = (
            self._embed(half, patience) for half in (texts[:middle], texts[middle:])
        )
        for position, error in right_errors.items():
            error.position = middle + position
        return np.concatenate([left, right]), left_errors | {e.position: e for e in right_errors.values()}

    def _once_more(
        self, texts: Sequence[str], patience: "_Patience"
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]] | None:
        """Embed a text that the service broke over, now that it takes another: None where it breaks again.

        A service that was just started anew broke over what it was asked meanwhile, whatever that was.
        """
        try:
            return self._request(texts, patience)
        except (TextsRefusedError, EmbeddingBusyError):
            return None

    def _refuses_everything(self, patience: "_Patience") -> bool:
        try:
            self._request([HARMLESS_TEXT], patience)
        except (TextsRefusedError, EmbeddingBusyError):
            return True
        return False

    def _request(
        self, texts: Sequence[str], patience: "_Patience"
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        self._is_suspect = True
        raw = self._tried(texts, patience)
        vectors, errors = self._checked(raw)
        self._known_dimensions = vectors.shape[1]
        self._is_suspect = False
        self._silent_until = 0.0
        return vectors, errors

    def _tried(self, texts: Sequence[str], patience: "_Patience") -> NDArray[np.float32]:
        """Send a request, again after a while where that may help."""
        characters = sum(map(len, texts))
        for attempt in range(patience.retries + 1):
            try:
                if patience.is_first:
                    return self._send(texts, patience.timeout_s)
                with self._limiter.slot():
                    started = time.monotonic()
                    vectors = self._send(texts, patience.timeout_s)
                    self._limiter.note_answer(time.monotonic() - started, characters=characters)
                self._items_a_batch = min(MAX_BATCH_ITEMS, self._items_a_batch + 1 / self._items_a_batch)
            except (EmbeddingUnavailableError, EmbeddingBusyError) as exc:
                if isinstance(exc, TurnedAwayError) and not patience.is_first:
                    self._limiter.note_busy()
                if attempt == patience.retries or exc.code == "embedding_timeout":
                    raise
                if isinstance(exc, TurnedAwayError) and patience.is_first and len(texts) > 1:
                    raise  # a person waits: smaller requests at once, rather than this one again after a while
                time.sleep(patience.backoff_s(attempt, exc))
            else:
                return vectors
        raise AssertionError("the last attempt raises")

    def _send(self, texts: Sequence[str], timeout_s: float) -> NDArray[np.float32]:
        wanted = self._wanted_dimensions
        if wanted and self._asks_for_dimensions and self._service().supports_dimensions:
            try:
                return request_vectors(self._client, self.model, texts, timeout_s=timeout_s, dimensions=wanted)
            except TextsRefusedError:
                # It may take some lengths only; if it is the texts that it refuses, it does so again now.
                vectors = request_vectors(self._client, self.model, texts, timeout_s=timeout_s)
                self._asks_for_dimensions = False
                return vectors
        return request_vectors(self._client, self.model, texts, timeout_s=timeout_s)

    def _checked(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
        wanted = self._wanted_dimensions
        if wanted > vectors.shape[1]:
            raise EmbeddingRefusedError(
                "embedding_dimensions",
                f"EMBEDDING_DIMENSIONS is {wanted}, the model gives {vectors.shape[1]}",
            )
        if wanted:
            vectors = vectors[:, :wanted]
        if self._known_dimensions and vectors.shape[1] != self._known_dimensions:
            raise EmbeddingRefusedError(
                "embedding_dimensions", f"{self._known_dimensions} expected, {vectors.shape[1]} received"
            )
        # In float64, so that the squares of large float32 values do not overflow.
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))[:, None]
        is_wrong = ~np.isfinite(norms[:, 0]) | (norms[:, 0] < SMALLEST_NORM)
        if is_wrong.all():
            raise EmbeddingRefusedError("embedding_answer_invalid", "all vectors are zero or not finite")
        units = np.zeros_like(vectors)
        units[~is_wrong] = vectors[~is_wrong] / norms[~is_wrong]
        errors = {
            int(position): EmbeddingItemError(
                "embedding_answer_invalid", "the vector is zero or not finite", int(position)
            )
            for position in np.flatnonzero(is_wrong)
        }
        return units, errors


class _Patience:
    """How long and how often a request is tried, and whether it passes by those that wait for a place."""

    __slots__ = ("is_first", "retries", "timeout_s")

    def __init__(self, timeout_s: float, *, retries: int = QUICK_RETRIES, is_first: bool = False) -> None:
        self.timeout_s = timeout_s
        self.retries = retries
        self.is_first = is_first

    def backoff_s(self, attempt: int, exc: Exception) -> float:
        """Return how long to wait, spread so that those who were turned away together do not come back together."""
        first_s = FIRST_QUERY_BACKOFF_S if self.is_first else FIRST_BACKOFF_S
        longest_s = LONGEST_QUERY_BACKOFF_S if self.is_first else LONGEST_BACKOFF_S
        own_s = min(longest_s, first_s * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        asked_s = exc.retry_after_s if isinstance(exc, TurnedAwayError) else 0.0
        return max(own_s, min(asked_s, longest_s))


def blend(
    vectors: NDArray[np.float32], contexts: NDArray[np.float32], shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw each vector towards its context and normalise again.

    Args:
        vectors: ``(n, dimensions)`` float32, unit L2 norm.
        contexts: the same shape; rows whose share is 0 do not matter.
        shares: ``(n,)`` float32 in [0, 1), how much of the context goes in.

    Returns:
        ``(n, dimensions)`` float32, unit L2 norm.
    """
    mixed = (1 - shares)[:, None] * vectors + shares[:, None] * contexts
    blended: NDArray[np.float32] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return blended


def _is_shorter_than(text: str) -> Callable[[str], bool]:
    return lambda part: len(part) < len(text)


def _means(
    vectors: NDArray[np.float32],
    errors: Mapping[int, EmbeddingItemError],
    *,
    owners: Sequence[int],
    weights: NDArray[np.float32],
) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
    """Return the means of the parts of each text, and the error of each that has a part at fault.

    Args:
        vectors: ``(parts, dimensions)`` float32, unit L2 norm.
        errors: of parts, by position.
        owners: position of the text of each part; every text has one.
        weights: ``(parts,)`` float32.

    Returns:
        ``(texts, dimensions)`` float32, unit L2 norm or zeros; and the errors by position of the text.
    """
    sums = np.zeros((max(owners) + 1, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, vectors * weights[:, None])
    failed = {owners[part]: error for part, error in sorted(errors.items(), reverse=True)}
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    for row in np.flatnonzero(norms[:, 0] < SMALLEST_NORM):
        failed.setdefault(int(row), EmbeddingItemError("embedding_answer_invalid", "the parts cancel out"))
    means: NDArray[np.float32] = np.divide(sums, norms, out=np.zeros_like(sums), where=norms >= SMALLEST_NORM)
    for position, error in failed.items():
        means[position] = 0
        error.position = position
    return means, failed


def _batches(texts: Sequence[str], *, most_items: int) -> Iterator[tuple[int, int]]:
    start, tokens = 0, 0
    for position, text in enumerate(texts):
        count = estimate_tokens(text)
        is_full = position - start >= most_items or tokens + count > MAX_BATCH_TOKENS
        if position > start and is_full:
            yield start, position
            start, tokens = position, 0
        tokens += count
    if start < len(texts):
        yield start, len(texts)
