"""Bringing the images of the model code into the repository, as the target allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.container_engine import build_and_push, find_engine, pinned
from mlops.image import TAG_SUFFIXES, TARGETS, build_image, content_tag, source_files
from mlops.registry import newest_tag, push_image, pushed_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops.target import Deployment


def push_images(
    deployment: Deployment, note: Callable[[str], None], base_image: str = ""
) -> dict[str, str]:
    """Push what the repository does not have yet; return each target's image URI.

    Raises
    ------
    ToolError
        If the target is AWS, and `base_image` names no digest or no container engine is there.
    """
    files = source_files(deployment.project.root)
    tag = content_tag(deployment.project.root, files)
    tags = {target: f"{tag}{suffix}" for target, suffix in TAG_SUFFIXES.items()}
    before = pushed_images(deployment)
    absent = {target: each for target, each in tags.items() if each not in before}
    if absent:
        _push(deployment, files, absent, base_image)
    after = pushed_images(deployment) if absent else before
    for target, each in tags.items():
        state = "pushed" if target in absent else "is there already"
        note(f"{deployment.repository_name}:{each} {state}, {after[each].digest}")
    newest = newest_tag(after)
    if newest != tag:
        note(
            f"runs use {newest}, which was pushed later than {tag}; to use {tag}, delete the "
            f"images {newest} or change the model code"
        )
    return {t: f"{deployment.repository_uri}@{after[each].digest}" for t, each in tags.items()}


def _push(
    deployment: Deployment, files: Mapping[str, bytes], tags: Mapping[str, str], base_image: str
) -> None:
    if not deployment.target.embedded:
        build_and_push(deployment, find_engine(), pinned(base_image), tags)
        return
    for target, tag in tags.items():
        push_image(deployment, build_image(files, TARGETS[target]), tag)
