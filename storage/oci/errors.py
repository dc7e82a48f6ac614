"""What can go wrong with a repository, as classes; their wire form is the table in ``storage.oci.wire``."""


class RegistryError(Exception):
    """A fault that is the caller's to know.

    ``detail`` is sent as the error's JSON detail, so it must be encodable and hold no secret.
    """

    def __init__(self, message: str = "", detail: object = None) -> None:
        super().__init__(message)
        self.detail = detail


class BlobTooLarge(RegistryError):
    """A blob larger than the storage keeps as one object."""


class BlobUnknown(RegistryError):
    """The repository holds no such blob."""


class BlobUploadUnknown(RegistryError):
    """The repository has no such upload session: it was finished, cancelled, has expired, or never was."""


class DigestInvalid(RegistryError, ValueError):
    """A malformed digest, an algorithm that is not supported, or content that does not match its digest."""


class ManifestBlobUnknown(RegistryError):
    """A manifest refers to content that its repository does not hold."""


class ManifestInvalid(RegistryError, ValueError):
    """Bytes that are not a manifest of the media type they claim."""


class ManifestTooLarge(RegistryError):
    """A manifest above the size that clients accept."""


class ManifestUnknown(RegistryError):
    """The repository holds no manifest by that tag or digest."""


class NameInvalid(RegistryError, ValueError):
    """A repository name outside the grammar of the distribution specification."""


class NameUnknown(RegistryError):
    """The registry has no repository of that name."""


class PaginationNumberInvalid(RegistryError, ValueError):
    """The query parameter ``n`` is not a whole number of zero or more."""


class RangeInvalid(RegistryError):
    """A chunk that does not begin where its upload session ends, or a byte range outside the blob."""


class RequestInvalid(RegistryError, ValueError):
    """A request that is malformed in a way no other class names."""


class RequestHeaderTooLarge(RegistryError):
    """A request line or header above the server's limit."""


class RequestTimeout(RegistryError):
    """Nothing more of a request came for so long that it is not waited for."""


class SizeInvalid(RegistryError, ValueError):
    """The bytes sent are not as many as announced."""


class TagInvalid(RegistryError, ValueError):
    """A tag outside the grammar of the distribution specification."""


class UriTooLong(RegistryError):
    """More in one request's query than the server accepts."""


class RouteUnknown(RegistryError):
    """Nothing is served at that path."""


class Unsupported(RegistryError):
    """The operation is not offered on this resource. ``allow`` lists the methods that are."""

    def __init__(self, message: str = "", allow: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.allow = allow


class Unauthorized(RegistryError):
    """Credentials are missing or wrong."""


class Denied(RegistryError):
    """The credentials are good and do not give this right."""


class TooManyRequests(RegistryError):
    """The caller is to slow down."""


class Unavailable(RegistryError):
    """A passing fault of ours or of the storage: the same request may succeed in a moment."""


class InsufficientStorage(RegistryError):
    """The storage is full."""
