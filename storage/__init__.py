"""Where content is kept: drivers, the OCI vocabulary, and the one shape of a repository wherever it lives."""
