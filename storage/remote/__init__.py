"""Repositories in another registry, over HTTP."""
