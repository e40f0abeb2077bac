#!/usr/bin/env bash
# Builds one target of the Dockerfile. Where stage Build is retried, what $PUSHED_TAGS names is not
# built again.
set -euo pipefail
target="$1" tag="$2"

if [[ " $PUSHED_TAGS " == *" $tag "* ]]; then
  echo "$tag is in the repository already; it is not built again"
  exit 0
fi
docker build --platform linux/amd64 --provenance=false \
  --build-arg BASE_IMAGE="$BASE_IMAGE" --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  --target "$target" --tag "$REPOSITORY_URI:$tag" .
