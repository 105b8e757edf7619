"""Settings kept in the Parameter Store (AWS Systems Manager), below one path."""

from __future__ import annotations

from dataclasses import dataclass

from capforecast.errors import CapforecastError, ConfigError

SECONDS, TRIES = 5, 4
_DENIED = {"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException"}


class ParametersError(CapforecastError):
    """The Parameter Store does not answer."""

    retryable = True


@dataclass(frozen=True)
class Parameters:
    """Parameters by the end of their name below the path; `secret`: names of those that are kept encrypted."""

    values: dict[str, str]
    secret: frozenset[str]


def parameters(path: str, region: str | None = None) -> Parameters:
    """All parameters below a path, however many pages they come in; encrypted ones (SecureString) decrypted.

    `/capforecast/prod/forecast/horizon_days` below `/capforecast/prod` is `forecast/horizon_days`.
    Endpoint, region and credentials are those of the AWS chain of the process. No message repeats a value.
    Raises ConfigError where the path is none, holds nothing or may not be read, ParametersError where nobody answers.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
    except ImportError:
        raise ConfigError(_told(path, "boto3 is not installed: pip install 'capforecast[aws]'")) from None
    below = _checked(path)
    limits = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": TRIES})
    try:
        client = boto3.client("ssm", region_name=region, config=limits)
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=below, Recursive=True, WithDecryption=True)
        found = [parameter for page in pages for parameter in page["Parameters"]]
    except NoCredentialsError:
        raise ConfigError(_told(path, "no AWS credentials found where this runs")) from None
    except NoRegionError:
        raise ConfigError(_told(path, "no region is set; set AWS_REGION")) from None
    except ClientError as error:
        raise _refused(path, str(error.response.get("Error", {}).get("Code", "unknown"))) from None
    except BotoCoreError as error:
        raise ParametersError(_told(path, f"the Parameter Store cannot be reached ({type(error).__name__})")) from None
    if not found:
        raise ConfigError(
            _told(path, f"nothing is there; write settings as {below}/forecast/horizon_days, or unset it")
        )
    start = len(below.rstrip("/")) + 1
    return Parameters(
        {parameter["Name"][start:]: parameter["Value"] for parameter in found},
        frozenset(each["Name"][start:] for each in found if each["Type"] == "SecureString"),
    )


def _checked(path: str) -> str:
    below = path.rstrip("/") or "/"
    if not below.startswith("/") or below == "/":
        raise ConfigError(_told(path, "give a path that begins with /, such as /capforecast/prod"))
    return below


def _refused(path: str, code: str) -> CapforecastError:
    if code in _DENIED:
        fix = "allow ssm:GetParametersByPath on it, and kms:Decrypt for SecureString parameters"
        return ConfigError(_told(path, f"access denied ({code}); {fix}"))
    if code in ("ValidationException", "InvalidKeyId"):
        return ConfigError(_told(path, f"the Parameter Store refuses it ({code}); mend the path, or the key it names"))
    return ParametersError(_told(path, f"the Parameter Store refused ({code}); try again"))


def _told(path: str, what: str) -> str:
    return f"settings below the path {path!r} of the Parameter Store (CAPFORECAST_SSM_PATH): {what}"
