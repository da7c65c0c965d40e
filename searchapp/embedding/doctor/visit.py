"""What the checks of one examination share."""

import re
from dataclasses import dataclass, field

from searchapp.embedding.doctor.report import Expectations, Finding, Value
from searchapp.embedding.doctor.wire import ServiceFacts, Wire

# Families whose vector is the state of the last token, an end token (model cards of Qwen3-Embedding, gte-Qwen2,
# e5-mistral); for all others the mean or the first token may be right.
_LAST_TOKEN = re.compile(r"qwen3|gte-qwen|e5-mistral", re.IGNORECASE)


@dataclass(slots=True)
class Visit:
    """What the checks of one examination share."""

    wire: Wire
    expectations: Expectations
    facts: ServiceFacts = field(default_factory=ServiceFacts)
    findings: list[Finding] = field(default_factory=list)
    measurements: dict[str, Value] = field(default_factory=dict)
    dimensions: int = 0
    answered_name: str = ""

    def find(self, code: str, evidence: str = "", /, **values: Value) -> None:
        """Note a finding."""
        self.findings.append(self.wire.finding(code, evidence, **values))

    def claims(self, language: str) -> bool:
        """Return whether the model is said to know a language: one of those declared, or any where none are."""
        declared = self.facts.info.get("languages")
        return not isinstance(declared, list) or not declared or language in declared

    @property
    def names(self) -> str:
        """Return every name that the model goes by, in lower case."""
        reported = [str(self.facts.info.get(key, "")) for key in ("model_path", "served_model_name", "model_type")]
        return " ".join([self.wire.endpoint.model, *self.facts.served, *reported]).lower()

    @property
    def is_last_token_model(self) -> bool:
        """Return whether the vector has to be the state of a last, ending token."""
        has_causal_attention = self.facts.embedding.get("attention") == "causal"
        return has_causal_attention or bool(_LAST_TOKEN.search(self.names))

    @property
    def takes_instructions(self) -> bool:
        """Return whether an instruction has to have an effect; a service may say that its model takes none."""
        return self.facts.embedding.get("takes_instructions") is not False


class SkippedError(Exception):
    """Raise in a check that makes no sense for this service."""


class StopError(Exception):
    """Raise in a check after whose findings no other makes sense."""
