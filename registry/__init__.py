"""The HTTP server of the registry."""
