"""The JSON of the OpenAI embeddings API, as SGLang 0.5.23 and the openai SDK 3.52 read and write it."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Self

from searchapp.errors import PermanentError
from searchapp.local.embeddings.models.base import FloatArray


class BadRequestError(PermanentError):
    """Raise for a request that can never succeed; ``detail`` is the message the client reads.

    Args:
        code: short snake_case name of what is wrong.
        detail: a sentence saying what, and where in the request.
        param: the field at fault, None for the request as a whole.
    """

    def __init__(self, code: str, detail: str, param: str | None = None) -> None:
        super().__init__(code, detail)
        self.param = param


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A valid request to ``/v1/embeddings``.

    Attributes:
        texts: at least one, none blank, all valid Unicode.
        dimensions: how many leading dimensions to keep, None for all.
        as_base64: whether vectors are sent as base64 of little-endian float32.
    """

    texts: list[str]
    dimensions: int | None
    as_base64: bool

    @classmethod
    def from_json(cls, body: bytes, *, max_dimensions: int) -> Self:
        """Read and check a request body; fields that are not known are ignored, as SGLang does.

        Raises:
            BadRequestError: the body is not JSON, or a field is missing or wrong.
        """
        fields = _read_object(body)
        _check_model(fields)
        texts = _read_texts(fields, "input")
        for index, text in enumerate(texts):
            check_not_blank(text, index)
        encoding_format = fields.get("encoding_format", "float")
        if encoding_format not in ("float", "base64"):
            raise BadRequestError(
                "invalid_encoding_format",
                f"encoding_format must be 'float' or 'base64', got {encoding_format!r}",
                "encoding_format",
            )
        dimensions = fields.get("dimensions")
        if dimensions is not None and not (_is_int(dimensions) and 1 <= dimensions <= max_dimensions):
            raise BadRequestError(
                "invalid_dimensions",
                f"dimensions must be a whole number from 1 to {max_dimensions}, got {dimensions!r}",
                "dimensions",
            )
        return cls(texts=texts, dimensions=dimensions, as_base64=encoding_format == "base64")


@dataclass(frozen=True, slots=True)
class TokenizeRequest:
    """A valid request to ``/v1/tokenize``; one prompt is answered with one list, several with several."""

    prompts: list[str]
    is_single: bool

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read and check a request body.

        Raises:
            BadRequestError: the body is not JSON, or the prompt is missing or wrong.
        """
        fields = _read_object(body)
        return cls(prompts=_read_texts(fields, "prompt"), is_single=isinstance(fields["prompt"], str))


def check_not_blank(text: str, index: int) -> None:
    """Refuse a text without content, in SGLang's words.

    Raises:
        BadRequestError: the text is empty or nothing but white space.
    """
    if not text.strip():
        raise BadRequestError("empty_input", f"Input at index {index} cannot be empty or whitespace only", "input")


def embedding_response(vectors: FloatArray, *, model_name: str, token_count: int, as_base64: bool) -> dict[str, Any]:
    """Build the answer to an ``EmbeddingRequest``.

    Args:
        vectors: ``(n, dimensions) float32``, unit L2 norm, in the order of the texts.
        model_name: what ``/v1/models`` calls the model.
        token_count: tokens of all texts together.
        as_base64: whether to send bytes in base64 instead of numbers.
    """
    rows = (
        [base64.b64encode(row.tobytes()).decode() for row in vectors.astype("<f4")] if as_base64 else vectors.tolist()
    )
    return {
        "object": "list",
        "model": model_name,
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
        "usage": {"prompt_tokens": token_count, "total_tokens": token_count},
    }


def error_response(message: str, *, error_type: str, code: str, param: str | None = None) -> dict[str, Any]:
    """Build an error body in OpenAI's shape, which the SDK offers as ``exc.body``."""
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadRequestError("invalid_json", f"The request body is not valid JSON: {exc}") from exc
    if not isinstance(fields, dict):
        raise BadRequestError("invalid_json", "The request body must be a JSON object")
    return fields


def _check_model(fields: dict[str, Any]) -> None:
    """Accept any name, as SGLang does: one server runs one model. A blank one is a broken configuration."""
    name = fields.get("model")
    if not isinstance(name, str) or not name.strip():
        raise BadRequestError("missing_model", "model must be the name of a model", "model")


def _read_texts(fields: dict[str, Any], name: str) -> list[str]:
    value = fields.get(name)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise BadRequestError("invalid_input", f"{name} must be a string or a list of strings", name)
    if not texts:
        raise BadRequestError("empty_input", f"{name.capitalize()} cannot be empty", name)
    for index, text in enumerate(texts):
        if _is_int(text) or isinstance(text, list):
            raise BadRequestError(
                "token_ids_refused",
                f"{name} at index {index} holds token ids: send text, which gets the tokens this model needs",
                name,
            )
        if not isinstance(text, str):
            raise BadRequestError("invalid_input", f"{name} at index {index} is not a string", name)
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise BadRequestError(
                "invalid_unicode", f"{name} at index {index} holds half of a surrogate pair", name
            ) from exc
    return texts


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
