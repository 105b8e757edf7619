#!/usr/bin/env bash
# Builds the images of commit $2 and pushes them to the repositories $1-worker, $1-lambda, $1-sagemaker of the caller's
# account in AWS_REGION; one that is there is left (tags are immutable). Prints `images={...}`, digests by image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
prefix=$1
revision=$2
account=$(aws sts get-caller-identity --query Account --output text)
registry=$account.dkr.ecr.${AWS_REGION:?name the region}.amazonaws.com
aws ecr get-login-password | docker login --username AWS --password-stdin "$registry" >&2

# the digest of the tag, or nothing
digest() {
    local name=$1 said
    if said=$(aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$revision" \
        --query 'imageDetails[0].imageDigest' --output text 2>&1); then
        echo "$said"
    elif [[ $said != *ImageNotFoundException* ]]; then
        echo "$said" >&2
        return 1
    fi
}

images=""
for target in worker lambda sagemaker; do
    name=$prefix-$target
    found=$(digest "$name")
    if [[ -z $found ]]; then
        # without attestations: Lambda takes no image that is an index of several
        docker build --platform linux/amd64 --provenance=false -f deployments/docker/Dockerfile --target "$target" \
            --build-arg REVISION="$revision" -t "$registry/$name:$revision" . >&2
        docker push "$registry/$name:$revision" >&2
        found=$(digest "$name")
    fi
    images+=${images:+, }"\"$target\": \"${found:?nothing was pushed to $name}\""
done
echo "images={$images}"
