"""What SageMaker's refusals mean, in our own words."""

from __future__ import annotations

import re
from typing import Any

from capforecast.errors import AccessDeniedError, CapforecastError, ConfigError

_DENIED = {
    "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException", "ExpiredToken",
    "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken", "SignatureDoesNotMatch",
}  # fmt: skip
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
_MACHINE = ("InternalServerError", "CapacityError", "InsufficientCapacity")  # how reasons begin that may pass
_MISSING = re.compile(r"not found|could not find|does not exist", re.IGNORECASE)


class JobError(CapforecastError):
    """A job that failed or was stopped, with SageMaker's reason, or that SageMaker would not take."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ServiceError(CapforecastError):
    """SageMaker did not answer, or asked to be asked less often."""

    retryable = True


class LimitError(CapforecastError):
    """The account has no machine free for one more job."""

    retryable = True


class MissingJobError(CapforecastError):
    """There is no job of that name."""


class JobExistsError(CapforecastError):
    """There is a job of that name."""


def may_pass(reason: str) -> bool:
    """May a job that failed for this reason pass when it is run again? So where the machine failed, not the program."""
    return reason.startswith(_MACHINE)


def translated(answer: dict[str, Any]) -> CapforecastError:
    """The error that botocore's `ClientError.response` stands for."""
    code = answer.get("Error", {}).get("Code", "unknown")
    text = " ".join(str(answer.get("Error", {}).get("Message", "")).split())
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "ResourceInUse":
        return JobExistsError(text)
    if code in _DENIED:
        return AccessDeniedError(
            f"SageMaker: access denied ({code}): {text}; the credentials in use need the rights that "
            "docs/aws-compute.md lists, among them iam:PassRole for `sagemaker.role`"
        )
    if code == "ResourceLimitExceeded":
        if re.search(r"\bis 0 Instances", text):
            return ConfigError(
                f"SageMaker: {text}; ask AWS for a quota of that machine, or set sagemaker.instance_type"
            )
        return LimitError(f"SageMaker: no machine is free ({text})")
    if code in _THROTTLED or status >= 500 or status == 429:
        return ServiceError(f"SageMaker asks to wait ({code})")
    if code == "ResourceNotFound" or (code in ("ValidationException", "ValidationError") and _MISSING.search(text)):
        return MissingJobError(f"SageMaker refuses the request ({code}): {text}")
    return ConfigError(f"SageMaker refuses the request ({code}): {text}")
