#!/usr/bin/env bash
# Pushes an image that was built. A tag is pushed once: what $PUSHED_TAGS names stays as it is.
set -euo pipefail
tag="$1"

if [[ " $PUSHED_TAGS " == *" $tag "* ]]; then
  exit 0
fi
docker push "$REPOSITORY_URI:$tag"
