"""Rules of the scanners that the wall does not go by, each with what judges the matter instead."""

JUDGED_ELSEWHERE = {
    ("cfn-lint", "W3005"): "the CDK writes a DependsOn beside the GetAtt that orders already",
    ("checkov", "CKV_AWS_115"): "concurrency kept for one function is taken from all others, and"
    " a new account has none to spare",
    (
        "checkov",
        "CKV_AWS_116",
    ): "rule function-dead-letters asks it of functions that events invoke",
    ("checkov", "CKV_AWS_117"): "a VPC is for functions that reach private addresses; to others it"
    " costs a NAT gateway",
    ("checkov", "CKV_AWS_173"): "rule secret refuses secrets there; what is left, templates show",
    ("cdk-nag", "Serverless-LambdaDLQ"): "rule function-dead-letters asks it of functions that"
    " events invoke",
    ("cdk-nag", "AwsSolutions-IAM5"): "rules iam-wildcard-* refuse each wildcard that its actions"
    " do not need, by the service authorization reference",
}
"""Of every assembly, not of one resource: those are acknowledged in a table."""
