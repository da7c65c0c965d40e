"""The raw client of an examination: one request, one answer, nothing tried again or put right on the way.

The client of the site hides small faults by design; here they have to be seen.
"""

import base64
import binascii
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import numpy as np
from numpy.typing import NDArray

from searchapp.embedding.doctor.report import CODES, Endpoint, Finding, Value

CONNECT_TIMEOUT_S = 5.0
# What a service says that is too busy now is worth two more tries before it is a finding.
BUSY_TRIES = 3
BUSY_PAUSE_S = 1.0
BUSY_STATUSES = frozenset({429, 502, 503, 504})
EVIDENCE_CHARACTERS = 300
SMALLEST_NORM = 1e-6
MOST_ITEMS = 10_000
_NOT_EMBEDDING = re.compile(
    r"does not appear to be an embedding model|not support (?:the )?embeddings?|not an embedding model|"
    r"--is-embedding|start it with .?--embeddings?",
    re.IGNORECASE,
)
_MODEL_UNKNOWN = re.compile(
    r"model.{0,200}(?:not (?:exist|found|available|supported|served|loaded)|unknown|invalid)|"
    r"(?:unknown|invalid|unsupported|no such) model|model_not_found",
    re.IGNORECASE | re.DOTALL,
)
_ADAPTER = re.compile(r"lora|adapter", re.IGNORECASE)
# Some services refuse a key with 400, or with 200 and the error inside.
_KEY_REFUSED = re.compile(
    r"(?:api.?key|credentials?).{0,40}(?:invalid|incorrect|not valid|missing|required)|"
    r"(?:invalid|incorrect|missing|no) (?:api.?key|credentials?)|unauthori[sz]ed|unauthenticated",
    re.IGNORECASE | re.DOTALL,
)


class FaultError(Exception):
    """Carry the finding that a request ended in, from where it is seen to the check that asked."""

    def __init__(self, finding: Finding, *, status: int = 0) -> None:
        super().__init__(f"{finding.code}: {finding.evidence}")
        self.finding = finding
        self.status = status


@dataclass(frozen=True, slots=True)
class Embedded:
    """An answer.

    Attributes:
        vectors: as they came, put in the order of their indexes; ``(texts, dimensions)`` float32 of any norm.
        prompt_tokens: what the service counted, 0 where it does not say, or counts letters.
        took_s: seconds until the answer was there.
        model: name that the service answers with, empty where it gives none.
        is_packed: whether the vectors came in base64.
    """

    vectors: NDArray[np.float32]
    prompt_tokens: int
    took_s: float
    model: str = ""
    is_packed: bool = False

    @property
    def units(self) -> NDArray[np.float32]:
        """Return the vectors at unit L2 norm."""
        units: NDArray[np.float32] = (self.vectors / np.maximum(self.norms[:, None], SMALLEST_NORM)).astype(np.float32)
        return units

    @property
    def norms(self) -> NDArray[np.float64]:
        """Return the L2 norms, in float64, so that the squares of large numbers do not overflow."""
        norms: NDArray[np.float64] = np.linalg.norm(self.vectors.astype(np.float64), axis=1)
        return norms


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What the service says about itself; everything may be missing.

    Attributes:
        served: names in ``/models``.
        info: ``/model_info``.
        context_tokens: the smallest context length that any of them names, 0 where none does.
    """

    served: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    context_tokens: int = 0

    @property
    def embedding(self) -> Mapping[str, Any]:
        """Return what it says about embedding."""
        found = self.info.get("embedding")
        return found if isinstance(found, dict) else {}


class Wire:
    """Ask one service. Close it, or use it as a context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.has_sendable_key = is_sendable(endpoint.api_key)
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(endpoint.timeout_s, connect=min(CONNECT_TIMEOUT_S, endpoint.timeout_s)),
            headers={"Authorization": f"Bearer {(self.has_sendable_key and endpoint.api_key) or 'EMPTY'}"},
        )
        self.slowest_s = 0.0
        # More texts than the service takes in one request, once that is known, are sent in several.
        self.most_items = MOST_ITEMS
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def fault(self, code: str, evidence: str = "", /, *, status: int = 0, **values: Value) -> FaultError:
        """Return the finding of this code, with what every sentence about the service may name."""
        return FaultError(self.finding(code, evidence, **values), status=status)

    def finding(self, code: str, evidence: str = "", /, **values: Value) -> Finding:
        """Return the finding of this code."""
        named: dict[str, Value] = {
            "setting": f"{self.endpoint.prefix}_BASE_URL",
            "prefix": self.endpoint.prefix,
            "url": _without_password(self.endpoint.base_url),
            "host": host_of(self.endpoint.base_url),
            "model": self.endpoint.model,
        }
        part = "reranker" if self.endpoint.prefix == "RERANK" else "embedding"
        key = self.endpoint.api_key
        # Some services repeat the key that they refuse.
        words = evidence.replace(key, "***") if key not in ("", "EMPTY") else evidence
        words = words.replace(self.endpoint.base_url, _without_password(self.endpoint.base_url))
        plain = {
            name: _printable(value) if isinstance(value, str) else value for name, value in (named | values).items()
        }
        return Finding(code, CODES[code], plain, _printable(words)[:EVIDENCE_CHARACTERS], part)

    def embed(self, texts: Sequence[str], *, encoding: str = "float", **fields: object) -> Embedded:
        """Embed texts, in one request as far as is known to be possible.

        Raises:
            FaultError: the service cannot be reached, refuses, or answers with what are no vectors.
        """
        starts = range(0, len(texts), self.most_items)
        return _joined([self._embed(texts[at : at + self.most_items], encoding=encoding, **fields) for at in starts])

    def takes(self, texts: Sequence[str]) -> bool:
        """Return whether texts are answered with vectors."""
        try:
            self.embed(texts)
        except FaultError:
            return False
        return True

    def _embed(self, texts: Sequence[str], *, encoding: str, **fields: object) -> Embedded:
        body = {"model": self.endpoint.model, "input": list(texts), "encoding_format": encoding, **fields}
        started = time.perf_counter()
        answer = self.post("/embeddings", body)
        took_s = time.perf_counter() - started
        self.slowest_s = max(self.slowest_s, took_s)
        vectors = self._vectors(answer, len(texts))
        if encoding == "float" and not fields:
            self._compare_length(vectors.shape[1])
        name = answer.get("model")
        is_packed = isinstance(answer["data"][0]["embedding"], str)
        return Embedded(
            vectors, _counted_tokens(answer, texts), took_s, name if isinstance(name, str) else "", is_packed
        )

    def post(self, path: str, body: Mapping[str, object], *, base_url: str | None = None) -> Any:
        """Send JSON below the base address and return the JSON of the answer.

        Raises:
            FaultError: see `embed`.
        """
        address = (self.endpoint.base_url if base_url is None else base_url) + path
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        response = self._send("POST", address, content)
        if response.status_code != HTTPStatus.OK:
            raise self._refusal(response)
        answer = self._json(response)
        if isinstance(answer, dict) and (answer.get("error") or answer.get("object") == "error"):
            raise self._refusal(response)
        return answer

    def get(self, address: str) -> Any:
        """Return the JSON of an address, or None where it answers with anything else.

        Raises:
            FaultError: there is no connection.
        """
        response = self._send("GET", address, None)
        if response.status_code != HTTPStatus.OK:
            return None
        try:
            return response.json()
        except (ValueError, RecursionError):
            return None

    def facts(self) -> ServiceFacts:
        """Ask the service about itself; what it does not say stays empty."""
        base = self.endpoint.base_url
        served, lengths = [], []
        info: Mapping[str, Any] = {}
        try:
            models = self.get(f"{base}/models")
            found = self.get(f"{base.removesuffix('/v1')}/model_info")
        except FaultError:
            return ServiceFacts()
        if isinstance(models, dict) and isinstance(models.get("data"), list):
            for card in models["data"]:
                if isinstance(card, dict) and isinstance(card.get("id"), str):
                    served.append(card["id"])
                    lengths.append(card.get("max_model_len"))
        if isinstance(found, dict):
            info = found
            lengths.append(found.get("max_model_len"))
        known = [length for length in lengths if isinstance(length, int) and length > 0]
        return ServiceFacts(tuple(served), info, min(known, default=0))

    def token_ids(self, text: str) -> list[int]:
        """Return the ids that the service's own tokenizer gives, none where it offers no such thing."""
        try:
            answer = self.post("/tokenize", {"model": self.endpoint.model, "prompt": text})
        except FaultError:
            return []
        ids = answer.get("tokens") if isinstance(answer, dict) else None
        return ids if isinstance(ids, list) and all(isinstance(number, int) for number in ids) else []

    def status_of(self, method: str, address: str, body: Mapping[str, object] | None = None) -> int:
        """Return the HTTP status of an address, 0 where it does not answer."""
        try:
            content = None if body is None else json.dumps(body).encode()
            return self._send(method, address, content).status_code
        except FaultError:
            return 0

    def _send(self, method: str, address: str, content: bytes | None) -> httpx2.Response:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        for left in reversed(range(BUSY_TRIES)):
            with self._named_faults(address):
                response = self._client.request(method, address, content=content, headers=headers)
            if response.status_code not in BUSY_STATUSES or not left:
                break
            time.sleep(BUSY_PAUSE_S)
        return response

    @contextmanager
    def _named_faults(self, address: str) -> Iterator[None]:
        try:
            yield
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError) as exc:
            raise self.fault("address_invalid", str(exc)) from exc
        except httpx2.ConnectTimeout as exc:
            raise self.fault("unreachable", f"{address}: no connection within {CONNECT_TIMEOUT_S:.0f} s") from exc
        except httpx2.TimeoutException as exc:
            raise self.fault("timeout", f"{address}: {exc!r}", seconds=round(self.endpoint.timeout_s)) from exc
        except httpx2.DecodingError as exc:
            raise self.fault("answer_unreadable", f"{address}: {exc}", status=200) from exc
        except httpx2.TransportError as exc:
            code, words = _connection_code(exc)
            if code == "connection_broken" and self._speaks_tls():
                code = "plain_on_tls_port"
            raise self.fault(code, f"{address}: {words}") from exc
        except httpx2.HTTPError as exc:
            raise self.fault("connection_broken", f"{address}: {exc!r}") from exc

    def _speaks_tls(self) -> bool:
        """Return whether the port of a plain address answers a TLS greeting."""
        url = urlsplit(self.endpoint.base_url)
        if url.scheme != "http" or not url.hostname:
            return False
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # asks what the port speaks; nothing is sent over it
        try:
            with (
                socket.create_connection((url.hostname, url.port or 80), timeout=CONNECT_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=url.hostname),
            ):
                return True
        except OSError:
            return False

    def _refusal(self, response: httpx2.Response) -> FaultError:
        """Say what a status other than 200 means, or an error that comes with 200."""
        status, words = response.status_code, _words(response)
        evidence = f"HTTP {status}: {words}"
        if target := response.headers.get("location", "") if response.is_redirect else "":
            evidence = f"HTTP {status}: to {_without_password(target)}"
            return self.fault("url_redirect", evidence, status=status, right=_base_of(response.url.join(target)))
        is_key_refused = status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST) and _KEY_REFUSED.search(words)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or is_key_refused:
            has_key = self.endpoint.api_key not in ("", "EMPTY")
            return self.fault("key_refused" if has_key else "key_missing", evidence, status=status)
        if _NOT_EMBEDDING.search(words):
            return self.fault("not_embedding", evidence, status=status)
        if "http request" in words.lower() and "https" in words.lower():
            return self.fault("plain_on_tls_port", evidence, status=status)
        if ":" in self.endpoint.model and (_ADAPTER.search(words) or _MODEL_UNKNOWN.search(words)):
            return self.fault("model_colon", evidence, status=status)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and _MODEL_UNKNOWN.search(words):
            return self.fault("model_not_served", evidence, status=status, served="")
        is_elsewhere = HTTPStatus.OK < status < HTTPStatus.BAD_REQUEST
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) or is_elsewhere:
            return self.fault("url_wrong_path", evidence, status=status)
        if status in BUSY_STATUSES:
            return self.fault("busy", evidence, status=status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.fault("server_error", evidence, status=status)
        return self.fault("request_refused", evidence, status=status)

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except (ValueError, RecursionError) as exc:
            kind = response.headers.get("content-type", "no content type")
            raise self.fault("answer_unreadable", f"{kind}: {_words(response)}", status=200) from exc

    def _vectors(self, answer: Any, count: int) -> NDArray[np.float32]:
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise self.fault("answer_unreadable", f"no list of vectors in {json.dumps(answer)[:200]}", status=200)
        if len(data) != count:
            raise self.fault("vector_count", f"{count} texts sent, {len(data)} vectors received")
        if not all(isinstance(item, dict) and "embedding" in item for item in data):
            raise self.fault("answer_unreadable", f"no vectors in {json.dumps(data)[:200]}", status=200)
        # The site's client trusts the index of each vector, so an examination does.
        indexes = [item.get("index") for item in data]
        if any(type(index) is not int for index in indexes) or sorted(indexes) != list(range(count)):
            raise self.fault("vector_index", f"indexes of {count} texts: {json.dumps(indexes)[:200]}", status=200)
        try:
            rows = [_row(item["embedding"]) for item in sorted(data, key=lambda item: item["index"])]
        except (TypeError, ValueError, OverflowError, binascii.Error) as exc:
            raise self.fault("vector_form", f"{exc} in {json.dumps(data)[:200]}", status=200) from exc
        lengths = sorted({len(row) for row in rows})
        if lengths == [0]:
            raise self.fault("vector_form", f"no numbers in {json.dumps(data)[:200]}", status=200)
        if len(lengths) != 1:
            raise self.fault("vector_lengths", f"lengths {lengths}")
        return np.stack(rows)

    def _compare_length(self, length: int) -> None:
        if self._length and length != self._length:
            raise self.fault("vector_lengths", f"{self._length} numbers in earlier answers, {length} in this one")
        self._length = length


def _joined(answers: Sequence[Embedded]) -> Embedded:
    """Return the answers to the parts of a request as one."""
    first = answers[0]
    return Embedded(
        np.concatenate([answer.vectors for answer in answers]),
        sum(answer.prompt_tokens for answer in answers),
        sum(answer.took_s for answer in answers),
        first.model,
        first.is_packed,
    )


def host_of(address: str) -> str:
    """Return the host of an address, nothing where it has none, or a port that is none."""
    try:
        url = urlsplit(address)
        return (url.hostname or "") if url.port != 0 else ""
    except ValueError:
        return ""


def is_sendable(key: str) -> bool:
    """Return whether a header can carry the key."""
    return key.isascii() and key.isprintable() and key == key.strip()


def _base_of(target: httpx2.URL) -> str:
    """Return the address of the service that an endpoint belongs to."""
    return str(target.copy_with(query=None, fragment=None)).rstrip("/").removesuffix("/embeddings")


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", address)


def _row(embedding: object) -> NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
    if not isinstance(embedding, list):
        raise TypeError(f"a vector is of type {type(embedding).__name__}")
    kinds = {type(number) for number in embedding} - {int, float, type(None)}
    if kinds:
        raise TypeError(f"a number is of type {', '.join(sorted(kind.__name__ for kind in kinds))}")
    # JSON has no NaN: servers write null for it.
    numbers = [np.nan if number is None else float(number) for number in embedding]
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which has a finding of its own
        return np.array(numbers, dtype=np.float32)


def _printable(words: str) -> str:
    """Return words that a terminal shows and every database takes."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(words.split()))


def _counted_tokens(answer: Any, texts: Sequence[str]) -> int:
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    # infinity-emb counts the letters.
    return tokens if isinstance(tokens, int) and tokens != sum(map(len, texts)) else 0


def _words(response: httpx2.Response) -> str:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return " ".join(response.text.split())[:EVIDENCE_CHARACTERS]
    for _depth in range(2):
        if isinstance(body, dict):
            body = next((body[key] for key in ("message", "error", "detail") if body.get(key)), body)
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)[:EVIDENCE_CHARACTERS]


def _connection_code(exc: BaseException) -> tuple[str, str]:
    """Find the cause at the bottom of a failed connection."""
    causes: list[BaseException] = [exc]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    words = str(next((cause for cause in reversed(causes) if str(cause)), exc))
    for cause in reversed(causes):
        if isinstance(cause, socket.gaierror):
            return "dns", words
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "tls_certificate", words
        if isinstance(cause, ssl.SSLError):
            # A port that speaks plain http answers the greeting with text.
            is_plain = "WRONG_VERSION_NUMBER" in words or "RECORD_LAYER" in words or "PACKET_LENGTH" in words
            return ("tls_on_plain_port" if is_plain or "UNKNOWN_PROTOCOL" in words else "tls_certificate"), words
        if isinstance(cause, ConnectionRefusedError):
            return "refused", words
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "connection_broken", words
        if isinstance(cause, OSError) and cause.errno is not None:
            return "unreachable", words
    text = words.lower()
    if "name or service" in text or "getaddrinfo" in text or "nodename" in text or "no address" in text:
        return "dns", words
    if "refused" in text or "all connection attempts failed" in text:
        return "refused", words
    return ("connection_broken" if not isinstance(exc, httpx2.ConnectError) else "unreachable"), words
