"""What outlives every deployment: key, bucket, images, model package group."""

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.data_key import DataKey
from stacks.settings import ProjectSettings, Settings, StorageSettings

PIPELINE_ARTIFACT_DAYS = 30


class StorageStack(Stack):
    """Data, artifacts, images and model versions, encrypted with one key.

    A bucket, key or repository that the settings name exists already: it is used, and neither
    changed nor removed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        environment: str,
    ) -> None:
        super().__init__(scope, construct_id, description="Data, artifacts, images and versions")
        project, storage = settings.project, settings.storage
        removal_policy = RemovalPolicy[storage.removal_policy.upper()]
        self.key: kms.IKey = (
            kms.Key.from_key_arn(self, "Key", storage.existing_key_arn)
            if storage.existing_key_arn
            else DataKey(self, "Key", project=project.name, removal_policy=removal_policy)
        )
        self.bucket: s3.IBucket = (
            s3.Bucket.from_bucket_name(self, "Bucket", storage.existing_bucket_name)
            if storage.existing_bucket_name
            else self._bucket(storage, settings.model_code.artifact_prefix, removal_policy)
        )
        self.repository: ecr.IRepository = (
            ecr.Repository.from_repository_name(
                self, "Repository", storage.existing_repository_name
            )
            if storage.existing_repository_name
            else self._repository(project, removal_policy)
        )
        self.model_package_group = sagemaker.CfnModelPackageGroup(
            self,
            "ModelPackageGroup",
            model_package_group_name=project.model_package_group_name,
            model_package_group_description="Versions of the model, approved by a person",
        )
        self.model_package_group.apply_removal_policy(removal_policy)
        # The build of the model code alone writes it: CloudFormation would reset its value.
        self.image_parameter_name = f"/{project.name}/{environment}/image"
        self._outputs(project)

    @property
    def image_parameter_arn(self) -> str:
        """ARN of the parameter that says which images are in use, whether or not it exists."""
        return self.format_arn(
            service="ssm",
            resource="parameter",
            resource_name=self.image_parameter_name.removeprefix("/"),
        )

    def _repository(self, project: ProjectSettings, policy: RemovalPolicy) -> ecr.Repository:
        return ecr.Repository(
            self,
            "Repository",
            repository_name=project.repository_name,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            removal_policy=policy,
            empty_on_delete=policy is RemovalPolicy.DESTROY,
        )

    def _bucket(
        self, storage: StorageSettings, artifact_prefix: str, removal_policy: RemovalPolicy
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(storage.noncurrent_version_days),
                ),
                s3.LifecycleRule(
                    prefix=f"{artifact_prefix}/",
                    expiration=Duration.days(PIPELINE_ARTIFACT_DAYS),
                    noncurrent_version_expiration=Duration.days(1),
                ),
            ],
        )
        # The L2 switch deploys a custom resource to do what this property does.
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        return bucket

    def _outputs(self, project: ProjectSettings) -> None:
        CfnOutput(self, "BucketName", value=self.bucket.bucket_name)
        CfnOutput(self, "KeyArn", value=self.key.key_arn)
        CfnOutput(self, "RepositoryName", value=self.repository.repository_name)
        CfnOutput(self, "RepositoryUri", value=self.repository.repository_uri)
        CfnOutput(self, "ModelPackageGroupName", value=project.model_package_group_name)
        CfnOutput(self, "ImageParameterName", value=self.image_parameter_name)
