"""What the service says about itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What a service says about itself; nothing of it may be relied on for the identity of its weights.

    Attributes:
        model_path: path or name of the model, empty where it is not told.
        context_length: a text must have fewer tokens than this, 0 where it is not told.
        hidden_size: length of whole vectors, 0 where it is not told.
        supports_dimensions: whether requests may ask for shorter vectors, None where it is not told.
        is_embedding: whether the server was started for embedding, None where it is not told.
        has_tokenize: whether it counts tokens at ``/v1/tokenize``.
        fingerprint: digest of the weights as the service reports it, or empty.
        languages: codes of those that the model was trained on; empty where it is not told.
    """

    model_path: str = ""
    context_length: int = 0
    hidden_size: int = 0
    supports_dimensions: bool | None = None
    is_embedding: bool | None = None
    has_tokenize: bool = False
    fingerprint: str = ""
    languages: tuple[str, ...] = ()


def describe_service(base_url: str, *, model: str = "", api_key: str = "", timeout_s: float = 3.0) -> ServiceInfo:
    """Ask the service about itself; what it does not tell stays empty, and no error leaves this function.

    Reads ``/model_info`` (SGLang, the local server), ``/v1/models``, and tries ``/v1/tokenize``. A capability
    is never read off a status code alone: an SGLang server answers 200 to much that it cannot do.

    Args:
        base_url: address of the service, ends in ``/v1``.
        model: name under which it serves the model; else the first that it lists.
        api_key: key of the service.
        timeout_s: longest wait for each of the three.
    """
    timeout = openai.Timeout(timeout_s, connect=min(timeout_s, 2.0))
    with openai.OpenAI(base_url=base_url, api_key=api_key or "EMPTY", timeout=timeout, max_retries=0) as client:
        card = _card(_object(client, f"{base_url.rstrip('/')}/models"), model)
        about = _object(client, _beside_v1(base_url, "/model_info"))
        counted = _object(client, f"{base_url.rstrip('/')}/tokenize", prompt=["a", "b"], model=model)
    embedding = about.get("embedding")
    embedding = embedding if isinstance(embedding, dict) else {}
    is_generation = about.get("is_generation")
    supports_dimensions = embedding.get("supports_dimensions")
    return ServiceInfo(
        model_path=_text(about.get("model_path")) or _text(card.get("root")) or _text(card.get("id")),
        context_length=_number(card.get("max_model_len")) or _number(about.get("max_model_len")),
        hidden_size=_number(about.get("dimensions")) or _number(card.get("dimensions")),
        supports_dimensions=supports_dimensions if isinstance(supports_dimensions, bool) else None,
        is_embedding=not is_generation if isinstance(is_generation, bool) else None,
        has_tokenize=_is_counts(counted.get("count"), 2),
        fingerprint=_text(about.get("fingerprint")) or _text(card.get("fingerprint")),
        languages=_texts(about.get("languages")),
    )


def count_tokens_at(
    base_url: str, texts: Sequence[str], *, model: str, api_key: str, timeout_s: float = 10.0
) -> list[int]:
    """Return how many tokens the service counts in each text, or nothing where it does not answer that."""
    with openai.OpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0) as client:
        counted = _object(client, f"{base_url.rstrip('/')}/tokenize", prompt=list(texts), model=model)
    counts = counted.get("count")
    return list(counts) if isinstance(counts, list) and _is_counts(counts, len(texts)) else []


def _object(client: openai.OpenAI, url: str, **body: object) -> dict[str, Any]:
    """Return the JSON object at an address, or an empty one."""
    try:
        found = client.post(url, cast_to=object, body=body) if body else client.get(url, cast_to=object)
    except (openai.OpenAIError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _beside_v1(base_url: str, path: str) -> str:
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/").removesuffix("/v1") + path))


def _card(models: dict[str, Any], model: str) -> dict[str, Any]:
    rows = models.get("data")
    cards = [card for card in rows if isinstance(card, dict)] if isinstance(rows, list) else []
    return next((card for card in cards if card.get("id") == model), cards[0] if cards else {})


def _is_counts(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(_number(count) for count in value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
