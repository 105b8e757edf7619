#!/bin/sh
# What a server must know before it can run capforecast, made or brought up to date. Safe to run again.
set -eu
cd "${CAPFORECAST_HOME:-/opt/capforecast}"

# The lake's bucket, where an endpoint of our own is used; on AWS it is made by whoever owns the account.
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    python - <<'PYTHON'
import os
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

store = urlsplit(os.environ["CAPFORECAST_STORE"])
if store.scheme == "s3":
    try:
        boto3.client("s3").create_bucket(Bucket=store.netloc)
        print(f"made bucket {store.netloc}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
PYTHON
fi
capforecast setup pools
prefect --no-prompt deploy --all
exec capforecast setup all
