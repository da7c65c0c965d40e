"""Languages: which there are, which one a text is in, its sentences, and its clean form for a model."""

from searchapp.language.cleaning import clean_text
from searchapp.language.detection import UNDETERMINED, detect
from searchapp.language.languages import SUPPORTED_LANGUAGES, Language, primary_language
from searchapp.language.lexical import lexical_terms
from searchapp.language.segmentation import sentences

__all__ = [
    "SUPPORTED_LANGUAGES",
    "UNDETERMINED",
    "Language",
    "clean_text",
    "detect",
    "lexical_terms",
    "primary_language",
    "sentences",
]
