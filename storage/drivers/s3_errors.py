"""What boto3 raises, in our words: what is wrong, and what to do."""

import ssl
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from storage.errors import NotFound, PreconditionFailed, StorageError, StorageFull, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

_KEYS: Final = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else boto3 finds credentials"
_ENDPOINT: Final = "correct endpoint= in the URL"
_NOT_S3: Final = f"what answers is no S3 store: {_ENDPOINT}"
_FULL: Final = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"}
#: What is missing though the status is another than 404.
_MISSING: Final = {"NoSuchUpload"}
_REGIONS: Final = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
#: What web servers that are no S3 stores say to a PUT.
_UNWILLING: Final = {301, 302, 307, 308, 401, 404, 405}
_ADVICE: Final = {
    "NoSuchBucket": "the bucket does not exist: create it, or correct its name",
    "InvalidAccessKeyId": f"the store does not know the access key: {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key is wrong: {_KEYS}",
}
#: What must be allowed to whoever calls an operation, where its name is another.
_PERMISSIONS: Final = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
_UNREACHABLE: Final[dict[type[BotoCoreError], str]] = {
    EndpointConnectionError: f"nobody answers at {{endpoint}}: {_ENDPOINT}, or start the store",
    ConnectTimeoutError: f"nobody answers at {{endpoint}}: {_ENDPOINT}, or let a firewall pass the connection",
    ReadTimeoutError: "{endpoint} takes too long to answer",
    ConnectionClosedError: "{endpoint} closed the connection without an answer",
    ProxyConnectionError: "the proxy on the way to the store does not answer: check HTTP_PROXY and HTTPS_PROXY",
    ParamValidationError: "no bucket can have the name that the URL gives it",
    NoCredentialsError: f"no credentials were found: {_KEYS}",
}


class PartLost(NotFound):
    """A part is not in the store, or with other bytes than were said."""


class Refused(PreconditionFailed):
    """A condition did not hold, maybe since this very call has been carried out before."""


class Conflict(Refused):
    """Another conditional write to the key was running; how that ended is not known yet."""


def translated(function: "Callable[[], R]") -> "R":
    """Call a function. Raises StorageError for whatever boto3 raises."""
    try:
        return function()
    except ClientError as error:
        raise _from_answer(error) from error
    except ResponseParserError as error:
        raise StorageUnavailable(_NOT_S3) from error
    except SSLError as error:
        raise StorageUnavailable(_from_handshake(error)) from error
    except (BotoCoreError, HTTPError) as error:
        raise StorageUnavailable(_from_silence(error)) from error


def _from_answer(error: ClientError) -> StorageError:
    """Tell what the store's refusal means."""
    answer: Any = error.response
    code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"]["HTTPStatusCode"]
    message = f"{code}: {answer['Error'].get('Message', '')}".rstrip(": ")
    if (explanation := _explained(code, answer)) is not None:
        return StorageUnavailable(f"{explanation} ({code})")
    if status == 412 or code == "ConditionalRequestConflict":
        return Refused(message) if status == 412 else Conflict(message)
    if status == 403:
        needed = _PERMISSIONS.get(error.operation_name, error.operation_name)
        return StorageUnavailable(f"the credentials do not allow s3:{needed}: grant it ({message})")
    if error.operation_name == "PutObject" and status in _UNWILLING and code in ("", str(status)):
        return StorageUnavailable(f"{_NOT_S3} (status {status})")
    if code == "InvalidPart":
        return PartLost(message)
    if status == 404 or code in _MISSING:
        return NotFound(message)
    return StorageFull(message) if code in _FULL or status == 507 else StorageUnavailable(message)


def _explained(code: str, answer: Any) -> str | None:
    """Say what is to be set right by hand, if it is one of the faults known to be of that kind."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    region = answer["Error"].get("Region") or headers.get("x-amz-bucket-region")
    if region and (code in _REGIONS or code == "301"):
        return f"the bucket is in another region: say region={region} in the URL"
    if code in _REGIONS:
        return f"the bucket is in another region: correct region= in the URL; {answer['Error'].get('Message', '')}"
    if code == "RequestTimeTooSkewed":
        return f"this host's clock is wrong: the store's says {headers.get('date', 'another time')}; set both right"
    return _ADVICE.get(code)


def _from_handshake(error: SSLError) -> str:
    """Tell why there is no TLS connection."""
    endpoint, cause = _endpoint(error), _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        return f"the certificate of {endpoint} is not accepted ({reason}): name its authority's file in AWS_CA_BUNDLE"
    if isinstance(cause, FileNotFoundError) or getattr(cause, "reason", "") == "NO_CERTIFICATE_OR_CRL_FOUND":
        return "the file that AWS_CA_BUNDLE names is missing, or has no certificate in it"
    return f"{endpoint} speaks no TLS ({getattr(cause, 'reason', None) or cause}): {_ENDPOINT}, is it http://?"


def _from_silence(error: Exception) -> str:
    """Tell why there is no answer."""
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), RecursionError):
        # How botocore ends that asks for the bucket's region and is sent elsewhere each time.
        return f"the endpoint redirects every request: {_ENDPOINT}, is it https://?"
    for kind, explanation in _UNREACHABLE.items():
        if isinstance(error, kind):
            cause = _cause(error)
            reason = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
            return explanation.format(endpoint=_endpoint(error)) + reason
    return " ".join(str(error).split())


def _endpoint(error: BotoCoreError) -> str:
    """Name the server, without the credentials that somebody may have put into its URL."""
    parts = urlsplit(error.kwargs.get("endpoint_url", ""))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _cause(error: BaseException) -> BaseException:
    """Find what all else was raised from: urllib3 and botocore wrap what the kernel and OpenSSL say."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
