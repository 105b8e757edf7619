#!/bin/sh
# Checks docker-compose.yml and the Dockerfile without a Docker engine, and that the checks would see a misspelt key.
set -eu
cd "$(dirname "$0")/.."
bin=$(pwd)/.venv-checks/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# every variable that must be given, given; .env.example says which
sed -E 's/^([A-Z0-9_]+)=$/\1=value/; s/^CAPACITY_DATA=.*/CAPACITY_DATA=\/srv/' .env.example >"$folder/env"

compose() { "$bin/docker-compose" --project-directory . --env-file "$2" -f "$1" config --quiet; }
schema() { "$bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec "$1"; }
refused() {
    what=$1
    shift
    if "$@" >"$folder/said" 2>&1; then
        echo "lint-deploy: $what was not refused" >&2
        exit 1
    fi
}

compose docker-compose.yml "$folder/env"
schema docker-compose.yml
"$bin/hadolint" deployments/docker/Dockerfile
for script in deployments/docker/*.sh; do
    sh -n "$script"
done

refused "a stack without passwords" compose docker-compose.yml /dev/null
sed 's/condition: service_healthy/condition: service_helthy/' docker-compose.yml >"$folder/condition.yml"
refused "a misspelt condition" compose "$folder/condition.yml" "$folder/env"
sed 's/    healthcheck:/    healthchek:/' docker-compose.yml >"$folder/key.yml"
refused "a misspelt key" schema "$folder/key.yml"
sed 's/^USER 10001.*/USER root/' deployments/docker/Dockerfile >"$folder/Dockerfile"
refused "an image that runs as root" "$bin/hadolint" "$folder/Dockerfile"
echo "lint-deploy: docker-compose.yml and the Dockerfile are sound"
