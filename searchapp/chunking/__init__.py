"""Cut a parsed document into the passages that are embedded, searched and shown."""

from searchapp.chunking.cutting import cut
from searchapp.chunking.passages import Block, Passage, document_text

__all__ = ["Block", "Passage", "cut", "document_text"]
