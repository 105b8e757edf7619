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


def processing(root: Path, run: Callable[[Path, Body], str | None]) -> Callable[[Body], Body]:
    """The work of a processing job: `run` once per machine, each with its share of the objects; output is uploaded."""

    def work(request: Body) -> Body:
        count = request["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
        hosts = [f"algo-{number + 1}" for number in range(count)]
        for number, host in enumerate(hosts):
            folder = root / request["ProcessingJobName"] / host
            (folder / "config").mkdir(parents=True)
            config = {"current_host": host, "hosts": hosts}
            (folder / "config/resourceconfig.json").write_text(json.dumps(config))
            for given in request["ProcessingInputs"]:
                source = given["S3Input"]
                shard = (number, count) if source["S3DataDistributionType"] == "ShardedByS3Key" else (0, 1)
                _fetch(source, _inside(folder, source["LocalPath"]), shard)
            failure = run(folder, request)
            if failure is not None:
                raise FailedError(f"AlgorithmError: {failure}")
        for output in request["ProcessingOutputConfig"]["Outputs"]:
            for host in hosts:
                _upload(_inside(root / request["ProcessingJobName"] / host, output["S3Output"]["LocalPath"]),
                        output["S3Output"]["S3Uri"])  # fmt: skip
        return {}

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


def _inside(folder: Path, path: str) -> Path:
    """Where a path of the container's /opt/ml lies here."""
    return folder / path.removeprefix("/opt/ml/")


def _upload(folder: Path, address: str) -> None:
    bucket, prefix = _place(address)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = f"{prefix.rstrip('/')}/{file.relative_to(folder).as_posix()}"
        _s3().put_object(Bucket=bucket, Key=key, Body=file.read_bytes())


def _fetch(source: Body, folder: Path, shard: tuple[int, int] = (0, 1)) -> None:
    folder.mkdir(parents=True)
    bucket, key = _place(source["S3Uri"])
    s3 = _s3()
    if source["S3DataType"] == "ManifestFile":
        head, *keys = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = _place(head["prefix"])
    else:
        prefix = key
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]
        if "" not in keys and not prefix.endswith("/"):
            prefix, keys = f"{prefix}/", [key.removeprefix("/") for key in keys]
    for key in sorted(keys)[shard[0] :: shard[1]]:
        file = folder / (key or prefix.rpartition("/")[2])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=bucket, Key=prefix + key)["Body"].read())


def _place(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _s3() -> Any:
    import boto3

    return boto3.client("s3")
