"""Container images: whoever runs one names it by its digest, as a tag may move."""

import re

from checks.intrinsics import UNKNOWN

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
CONTENT_TAG = re.compile(r":[0-9a-f]{64}$")
"""What the CDK tags its own image assets with: the digest of their source."""
CURATED = re.compile(r"^aws/codebuild/")


def is_moving(image: object) -> bool:
    """Tell whether a written image may be another one tomorrow."""
    if not isinstance(image, str) or not image or image.startswith(("$", "{%")):
        return False
    if DIGEST.search(image) or CONTENT_TAG.search(image) or CURATED.match(image):
        return False
    return not UNKNOWN.search(image.rpartition("/")[2])
