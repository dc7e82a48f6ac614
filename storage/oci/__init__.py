"""The words of the OCI and Docker specifications: digests, references, media types, manifests, errors."""
