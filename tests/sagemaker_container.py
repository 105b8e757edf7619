"""What SageMaker does around a training container, done by us for tests: channels in, model.tar.gz out, by S3.

The endpoint that calls this (sagemaker_endpoint.py) is ours; the contract is that of SageMaker's documentation: objects
of a manifest file land below the channel's folder by their key after the manifest's prefix, what is in /opt/ml/model
becomes `<S3OutputPath>/<job>/output/model.tar.gz`.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagemaker_endpoint import Body, FailedError


def container(root: Path, run: Callable[[Path, Body], str | None]) -> Callable[[Body], Body]:
    """The work of a training job: `run` gets the job's /opt/ml and its request; returns the reason of a failure."""

    def work(request: Body) -> Body:
        folder = root / request["TrainingJobName"]
        _configure(folder, request)
        for channel in request["InputDataConfig"]:
            _fetch(channel["DataSource"]["S3DataSource"], folder / "input/data" / channel["ChannelName"])
        for name in ("model", "output"):
            (folder / name).mkdir(parents=True)
        failure = run(folder, request)
        if failure is not None:
            raise FailedError(f"AlgorithmError: {failure}, exit code: 1")
        address = f"{request['OutputDataConfig']['S3OutputPath']}/{request['TrainingJobName']}/output/model.tar.gz"
        bucket, key = _place(address)
        _s3().put_object(Bucket=bucket, Key=key, Body=packed(folder / "model"))
        return {"ModelArtifacts": {"S3ModelArtifacts": address}}

    return work


def packed(folder: Path) -> bytes:
    """A folder's content as .tar.gz."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return sink.getvalue()


def _configure(folder: Path, request: Body) -> None:
    config = folder / "input/config"
    config.mkdir(parents=True)
    files = {
        "hyperparameters": request["HyperParameters"],
        "resourceconfig": {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"},
        "inputdataconfig": {
            channel["ChannelName"]: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
            for channel in request["InputDataConfig"]
        },
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content))


def _fetch(source: Body, folder: Path) -> None:
    folder.mkdir(parents=True)
    bucket, key = _place(source["S3Uri"])
    s3 = _s3()
    if source["S3DataType"] == "ManifestFile":
        head, *keys = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = _place(head["prefix"])
    else:
        prefix = key if key.endswith("/") else f"{key}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]
    for key in keys:
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=bucket, Key=prefix + key)["Body"].read())


def _place(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _s3() -> Any:
    import boto3

    return boto3.client("s3")
