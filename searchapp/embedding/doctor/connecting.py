"""Whether there is a service at the address, whether it takes the key, and whether it serves the model."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from searchapp.embedding.doctor.report import Endpoint
from searchapp.embedding.doctor.visit import StopError, Visit
from searchapp.embedding.doctor.wire import FaultError, Wire, host_of
from searchapp.embedding.presets import family_of

# Asked for to see whether names are looked at.
NO_MODEL = "isogloss-doctor-no-such-model"


def check_connection(visit: Visit) -> None:
    """Reach the service and get an answer that is one."""
    wire = visit.wire
    base_url = wire.endpoint.base_url
    if not base_url:
        raise StopError(_noted(visit, wire.fault("address_missing")))
    is_address = base_url.startswith(("http://", "https://")) and len(base_url.split()) == 1
    if not is_address or not host_of(base_url):
        raise StopError(_noted(visit, wire.fault("address_invalid", base_url)))
    if not wire.has_sendable_key:
        raise StopError(_noted(visit, wire.fault("key_unsendable")))
    try:
        first = wire.embed(["hello"])
    except FaultError as exc:
        fault = exc
        if exc.finding.code in ("url_wrong_path", "answer_unreadable", "request_refused", "key_missing", "key_refused"):
            fault = _address_fault(wire) or _no_route_fault(wire, exc) or exc
        elif exc.finding.code == "url_redirect":
            fault = _redirect_fault(wire, exc)
        elif exc.finding.code == "model_not_served":
            fault = _not_served(wire, exc)
        raise StopError(_noted(visit, fault)) from exc
    visit.measurements["first_answer_s"] = round(first.took_s, 3)
    visit.dimensions = first.vectors.shape[1]
    visit.answered_name = first.model
    if first.is_packed:
        visit.find("base64_unasked")
    visit.facts = wire.facts()
    # A server may put a wrong address right; a proxy before it, or the next version, may not.
    path = base_url.partition("://")[2]
    if "//" in path:
        visit.find("url_double_slash", base_url, right=_without_double_slashes(base_url))


def check_model(visit: Visit) -> None:
    """Compare the name with what the service says it serves."""
    facts = visit.facts
    if facts.info.get("is_generation") is True:
        visit.find("not_embedding", "/model_info: is_generation is true")
    if facts.served and _contradict(visit, facts.served):
        visit.find("model_not_listed", ", ".join(facts.served), served=", ".join(facts.served[:10]))
    elif _is_another_model(visit):
        visit.find("model_differs", f"model: {visit.answered_name}", served=visit.answered_name)
    if facts.context_tokens:
        visit.measurements["context_tokens_declared"] = facts.context_tokens


def _noted(visit: Visit, fault: FaultError) -> str:
    visit.findings.append(fault.finding)
    return fault.finding.code


def _is_another_model(visit: Visit) -> bool:
    """Return whether the service says that another model than the one asked for has answered.

    SGLang answers with the path of the model, whatever name it is served under, and llama.cpp with the name it was
    asked for.
    """
    answered, facts = visit.answered_name, visit.facts
    if not answered or answered == facts.info.get("model_path") or not _contradict(visit, [answered]):
        return False
    # Where the name asked for is listed, only the name of another listed model says anything.
    return not facts.served or answered in facts.served


def _contradict(visit: Visit, served: Sequence[str]) -> bool:
    """Return whether none of the names that a service gives can be another for the model asked for.

    Services list a path, a hub name, or a file with its quantisation, and OpenAI adds a version. Where any name is
    taken, one that names no known family of models is the site's own; a path that names none is the machine's.
    """
    asked = visit.wire.endpoint.model
    if any(_may_be(asked, name) for name in served):
        return False
    return family_of(asked) != "none" or not _takes_any_name(visit.wire)


def _may_be(asked: str, served: str) -> bool:
    first, second = _plain(asked), _plain(served)
    if first in second or second in first:
        return True
    return family_of(served) == "none" and PurePosixPath(served).is_absolute()


def _takes_any_name(wire: Wire) -> bool:
    with Wire(replace(wire.endpoint, model=NO_MODEL)) as other:
        return other.takes(["hello"])


def _plain(name: str) -> str:
    """Return the letters and digits of the last part of a path or hub name."""
    return re.sub(r"[^a-z0-9]", "", PurePosixPath(name.lower()).name.removesuffix(".gguf"))


def _redirect_fault(wire: Wire, found: FaultError) -> FaultError:
    """Tell a service that has moved from a page that asks for a login."""
    right = str(found.finding.values["right"])
    if _answers(wire.endpoint, right):
        return found
    fault = wire.fault("url_wrong_path", found.finding.evidence, status=found.status, right="")
    return _address_fault(wire) or fault


def _address_fault(wire: Wire) -> FaultError | None:
    """Find out whether another form of the address is the right one."""
    base_url = wire.endpoint.base_url
    bare = base_url.rstrip("/")
    candidates: list[tuple[str, str]] = []
    if "//" in base_url.partition("://")[2]:
        candidates.append(("url_double_slash", _without_double_slashes(base_url)))
    tidy = _without_double_slashes(base_url)
    for ending in ("/embeddings", "/rerank"):
        if tidy.endswith(ending):
            candidates.append(("url_endpoint", tidy.removesuffix(ending)))
            candidates.append(("url_endpoint", tidy.removesuffix(ending) + "/v1"))
    if not bare.endswith("/v1"):
        candidates.append(("url_without_v1", f"{bare}/v1"))
    root = "{0.scheme}://{0.netloc}".format(urlsplit(base_url))
    candidates += [("url_wrong_path", f"{root}/v1"), ("url_wrong_path", root)]
    for code, candidate in candidates:
        if candidate != base_url and _answers(wire.endpoint, candidate):
            return wire.fault(code, f"{candidate}/embeddings answers", right=candidate)
    return None


def _answers(endpoint: Endpoint, base_url: str) -> bool:
    with Wire(Endpoint(base_url, endpoint.model, endpoint.api_key, endpoint.timeout_s, endpoint.prefix)) as other:
        try:
            other.embed(["hello"])
        except FaultError as exc:
            # A page that is no API answers 200 to anything, and a guard before everything 401.
            return exc.finding.code in ("model_not_served", "model_colon", "not_embedding")
        return True


def _no_route_fault(wire: Wire, found: FaultError) -> FaultError | None:
    """Tell a server that has models, but no embeddings, from a wrong path."""
    if found.finding.code != "url_wrong_path":
        return None
    facts = wire.facts()
    if not facts.served:
        return wire.fault("url_wrong_path", found.finding.evidence, right="")
    return wire.fault("not_embedding", f"/models answers, /embeddings does not: {found.finding.evidence}")


def _not_served(wire: Wire, found: FaultError) -> FaultError:
    served = ", ".join(wire.facts().served[:10])
    return wire.fault("model_not_served", found.finding.evidence, served=served)


def _without_double_slashes(url: str) -> str:
    scheme, _, rest = url.partition("://")
    while "//" in rest:
        rest = rest.replace("//", "/")
    return f"{scheme}://{rest.rstrip('/')}"
