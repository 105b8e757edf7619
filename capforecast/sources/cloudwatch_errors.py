"""What errors of AWS mean for the source `cloudwatch`: worth a repeat, refused, or asked for too much.

Codes: "Common Errors" of the services' API references, and what botocore itself repeats in its mode `standard`.
"""

from __future__ import annotations

from capforecast.errors import SourceError, SourceRefusedError

_BUSY = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "BandwidthLimitExceeded", "SlowDown", "LimitExceeded",
    "LimitExceededFault", "InternalFailure", "InternalServiceFault", "InternalServiceError", "InternalServerError",
    "InternalError", "ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException",
}  # fmt: skip
_DENIED = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation", "UnauthorizedAccess",
    "NotAuthorized", "Blocked", "OptInRequired", "SubscriptionRequiredException",
}  # fmt: skip
_UNKNOWN = {
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
    "IncompleteSignature", "MissingAuthenticationToken", "ExpiredToken", "ExpiredTokenException",
}  # fmt: skip


class TooMuchError(SourceError):
    """One request asked for more than the service answers, or within the time: ask for less at once."""


class TooSlowError(TooMuchError):
    """One request was not answered within the time, however often it was repeated."""


def _status(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Code, HTTP status and headers of an error of a service; "", 0 and none of one that came before that."""
    answer = getattr(error, "response", None)
    answer = answer if isinstance(answer, dict) else {}
    about = answer.get("ResponseMetadata", {})
    return (
        str(answer.get("Error", {}).get("Code", "")),
        int(about.get("HTTPStatusCode", 0)),
        about.get("HTTPHeaders", {}),
    )


def may_pass(error: Exception) -> bool:
    """Is it worth asking again?"""
    from botocore.exceptions import HTTPClientError
    from botocore.parsers import ResponseParserError

    code, status, _ = _status(error)
    broken = (HTTPClientError, ResponseParserError, ValueError)  # no answer, half of one, or one that is none of AWS's
    return code in _BUSY or status == 429 or status >= 500 or isinstance(error, broken)


def understood(error: Exception, where: str) -> tuple[SourceError, float]:
    """What to say of an error, and how many seconds the service asks to be left alone."""
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError, ReadTimeoutError

    code, status, headers = _status(error)
    seconds = headers.get("retry-after", "")
    asked_for = float(seconds) if seconds.isdigit() else 0.0
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return no_credentials(), 0.0
    if code in _UNKNOWN:
        return SourceRefusedError(
            f"{where}: AWS does not know the credentials ({code}): they may be wrong, expired, or of another partition"
        ), 0.0
    if code in _DENIED or status in (401, 403):
        return SourceRefusedError(
            f"{where}: not allowed ({code or status}); docs/sources/cloudwatch.md has the policy"
        ), 0.0
    if isinstance(error, ReadTimeoutError):
        return TooSlowError(f"{where}: no answer within the time"), asked_for
    if status in (400, 413, 422) and code not in _BUSY:
        return TooMuchError(f"{where}: {code or status}: {_said(error)}"), asked_for
    what = str(error) if isinstance(error, ValueError) else type(error).__name__
    return SourceError(f"{where}: {code or status or what}"), asked_for


def _said(error: Exception) -> str:
    """The service's own words, which hold no credentials: only what was asked for."""
    answer = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Message", ""))[:300]


def no_credentials() -> SourceRefusedError:
    """Nothing in the chain of credentials."""
    return SourceRefusedError(
        "no AWS credentials were found: give the process a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY"
    )
