"""Messages to an SNS topic (Amazon Simple Notification Service), whose subscribers are e-mail, queues, pagers."""

from __future__ import annotations

import json

from capforecast.errors import CapforecastError, ConfigError

MOST_IN_SUBJECT = 100  # characters, ASCII, one line: what SNS takes
SECONDS = 10


class PublishError(CapforecastError):
    """SNS did not take a message."""

    retryable = True


def publish(topic: str, subject: str, text: str, content: str) -> str:
    """Publish to a topic: `text` for people (e-mail, SMS), `content` (JSON) for queues and programs; the message's id.

    topic: its ARN, which also says the region.  Endpoint and credentials are those of the AWS chain of the process.
    Raises ConfigError without boto3 or credentials, PublishError where SNS refuses or does not answer.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    except ImportError:
        raise ConfigError("alerts by SNS need boto3: pip install -c requirements.lock 'capforecast[aws]'") from None
    message = {"default": text, "sqs": content, "lambda": content, "http": content, "https": content}
    limits = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": 3})
    try:
        client = boto3.client("sns", region_name=topic.split(":")[3], config=limits)
        made = client.publish(
            TopicArn=topic, Subject=subject_of(subject), Message=json.dumps(message), MessageStructure="json"
        )
    except NoCredentialsError:
        raise ConfigError("alerts by SNS: no AWS credentials found where this runs") from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise PublishError(f"SNS did not take the alert ({code}); check the topic {topic} and its policy") from None
    except BotoCoreError as error:
        raise PublishError(f"SNS cannot be reached ({type(error).__name__}) for {topic}") from None
    return str(made["MessageId"])


def subject_of(text: str) -> str:
    """A subject as SNS takes it: one line of printable ASCII, 100 characters at most, not empty."""
    line = " ".join("".join(each if each.isascii() and each.isprintable() else " " for each in text).split())
    return (line if len(line) <= MOST_IN_SUBJECT else f"{line[: MOST_IN_SUBJECT - 3]}...") or "capforecast"
