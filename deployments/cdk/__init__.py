"""The AWS resources capforecast runs on, as a CDK application (docs/aws.md)."""
