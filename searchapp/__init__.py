"""Isogloss: knowledge-base search that crosses languages."""

__version__ = "0.1.0"
