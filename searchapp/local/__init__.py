"""The embedded default: servers that stand in for Qdrant, Redis and SGLang on one machine.

Each of them is a program of its own, speaks the real protocol on 127.0.0.1, and knows nothing of Django.
"""
