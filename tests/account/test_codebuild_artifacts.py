"""What builds bring and leave: sources in S3 and CodeCommit, and artifacts."""

import io
import zipfile

from tests.account.codebuild_fixture import (
    Builder,
    DirectBuilder,
    builder,
    context,
    direct,
    in_s3,
    spec,
    statuses,
    with_more,
)

__all__ = ["builder", "direct"]  # fixtures


def test_a_source_in_s3_and_artifacts(builder: Builder) -> None:
    buildspec = with_more(
        spec(build=["cat greeting.txt", "./run.sh", "mkdir -p out/deep; echo 1 > out/deep/x.txt"]),
        artifacts={
            "files": ["**/*"],
            "base-directory": "$CODEBUILD_SRC_DIR/out",
            "name": "made-$CODEBUILD_BUILD_NUMBER",
            "secondary-artifacts": {
                "flat": {"files": ["out/**/*.txt", "greeting.txt"], "discard-paths": "yes"}
            },
        },
    )
    script = zipfile.ZipInfo("run.sh")
    script.external_attr = 0o755 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("greeting.txt", "hello\n")
        archive.writestr("specs/main.yml", buildspec)
        archive.writestr(script, "#!/bin/sh\necho ran\n")
    source = in_s3(builder, "whole", content.getvalue(), "specs/main.yml")
    place = {"type": "S3", "location": "codebuild-sources", "path": "made"}
    build = builder.build(
        "artifacts",
        "",
        source=source,
        artifacts={**place, "overrideArtifactName": True},
        secondaryArtifacts=[{**place, "artifactIdentifier": "flat", "packaging": "ZIP"}],
    )
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED", context(build)
    assert builder.printed(build) == ["hello", "ran"]
    s3 = builder.account.client("s3")
    made = s3.get_object(Bucket="codebuild-sources", Key="made/made-1/deep/x.txt")
    assert made["Body"].read() == b"1\n"
    flat = s3.get_object(Bucket="codebuild-sources", Key="made/flat")["Body"].read()
    assert sorted(zipfile.ZipFile(io.BytesIO(flat)).namelist()) == ["greeting.txt", "x.txt"]
    (told,) = build["secondaryArtifacts"]
    assert told["location"] == "arn:aws:s3:::codebuild-sources/made/flat"
    assert len(told["sha256sum"]) == 64


def test_artifacts_of_a_build_that_failed_are_uploaded_too(builder: Builder) -> None:
    builder.account.client("s3").create_bucket(Bucket="codebuild-failed")
    artifacts = {
        "type": "S3",
        "location": "codebuild-failed",
        "name": "out.zip",
        "packaging": "ZIP",
    }
    buildspec = with_more(
        spec(build=["echo report > report.txt", "exit 1"]), artifacts={"files": ["report.txt"]}
    )
    build = builder.build("failed-artifacts", buildspec, artifacts=artifacts)
    assert build["buildStatus"] == "FAILED"
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED"
    builder.account.client("s3").head_object(Bucket="codebuild-failed", Key="out.zip")


def test_artifacts_are_never_taken_from_outside_of_the_build(direct: DirectBuilder) -> None:
    outside = direct.account.log  # a file of this machine
    buildspec = with_more(
        spec(build=[f"ln -s {outside} link", f"ln -s {outside.parent} folder", "echo x > x"]),
        artifacts={"files": ["link", "folder/*", str(outside), "../../../../*", "/etc/hostname"]},
    )
    name = f"outside-{direct.service.plane.isolation}"
    direct.account.client("s3").create_bucket(Bucket=name)
    artifacts = {"type": "S3", "location": name, "packaging": "ZIP"}
    build = direct.build(name, buildspec, artifacts=artifacts)
    expected = ("UPLOAD_ARTIFACTS", "CLIENT_ERROR", "no matching artifact paths found")
    assert context(build) == expected
    assert "> Skipping invalid file path link" in direct.log(build)


def test_artifacts_that_may_not_be_written_fail_the_build(builder: Builder) -> None:
    artifacts = {"type": "S3", "location": "no-such-bucket", "packaging": "ZIP"}
    buildspec = with_more(spec(build=["printf unfinished > x; cat x"]), artifacts={"files": ["*"]})
    build = builder.build("no-bucket", buildspec, artifacts=artifacts)
    phase, code, message = context(build)
    assert (phase, code) == ("UPLOAD_ARTIFACTS", "CLIENT_ERROR")
    assert message.startswith("Error in UPLOAD_ARTIFACTS phase: ")
    assert "NoSuchBucket" in message
    assert builder.printed(build) == ["unfinished"]


def test_a_source_in_codecommit(builder: Builder) -> None:
    codecommit = builder.account.client("codecommit")
    codecommit.create_repository(repositoryName="built")
    buildspec = spec(build=["pwd", "cat a.txt", "echo $CODEBUILD_RESOLVED_SOURCE_VERSION"])
    commit = codecommit.create_commit(
        repositoryName="built",
        branchName="main",
        putFiles=[
            {"filePath": "buildspec.yml", "fileContent": buildspec.encode()},
            {"filePath": "a.txt", "fileContent": b"content\n"},
        ],
    )["commitId"]
    location = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/built"
    source = {"type": "CODECOMMIT", "location": location}
    build = builder.build("from-codecommit", "", source=source)
    folder, *rest = builder.printed(build)
    assert folder.endswith("/src/git-codecommit.us-east-1.amazonaws.com/v1/repos/built")
    assert rest == ["content", commit]
    assert build["resolvedSourceVersion"] == commit
    gone = builder.ended(builder.start("from-codecommit", sourceVersion="no-such-branch"))
    phase, code, message = context(gone)
    assert (phase, code) == ("DOWNLOAD_SOURCE", "CLIENT_ERROR")
    assert "no-such-branch" in message
