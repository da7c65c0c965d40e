"""Cut a parsed document into the passages that are embedded, searched and shown."""

from searchapp.chunking.cutting import cut
from searchapp.chunking.passages import Block, Passage, document_text

# Raised when the same document would be cut otherwise: an index made with another version is out of date.
CHUNKER_VERSION = 1

__all__ = ["CHUNKER_VERSION", "Block", "Passage", "cut", "document_text"]
