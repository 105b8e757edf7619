"""Athena: a workgroup that bounds what a query reads, and the lake's tables in Glue, by the generator of the DDL."""

from __future__ import annotations

from aws_cdk import Aws, CfnOutput
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deployments.cdk import tables
from deployments.cdk.context import Stage
from deployments.cdk.policies import LAKE

PARQUET = {
    "input_format": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "output_format": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
}
SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


class Catalogue(Construct):
    """Workgroup `capforecast-<stage>`, database `capforecast_<stage>`, a table for each dataset."""

    def __init__(self, scope: Construct, name: str, stage: Stage, bucket: s3.IBucket, key: kms.IKey | None) -> None:
        super().__init__(scope, name)
        self.workgroup, self.database = stage.prefix, stage.prefix.replace("-", "_")
        encryption = athena.CfnWorkGroup.EncryptionConfigurationProperty(
            encryption_option="SSE_KMS" if key else "SSE_S3", kms_key=key.key_arn if key else None
        )
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self.workgroup,
            description="capforecast: questions to the lake",
            recursive_delete_option=not stage.retain,  # with its history of queries
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                bytes_scanned_cutoff_per_query=stage.athena_scan_gib * 2**30,
                enforce_work_group_configuration=True,  # nobody sends answers elsewhere, or unencrypted
                publish_cloud_watch_metrics_enabled=True,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{bucket.bucket_name}/athena-results/",
                    encryption_configuration=encryption,
                ),
            ),
        )
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self.database, description="capforecast: datasets of the lake (docs/data-dictionary.md)"
            ),
        )
        for table in tables.of(f"s3://{bucket.bucket_name}/{LAKE}", stage.business_units):
            _table(self, table, self.database).add_resource_dependency(database)
        CfnOutput(self, "WorkgroupName", value=self.workgroup)
        CfnOutput(self, "DatabaseName", value=self.database)


def _table(scope: Construct, table: tables.Table, database: str) -> glue.CfnTable:
    return glue.CfnTable(
        scope,
        "Table" + "".join(word.title() for word in table.name.split("_")),
        catalog_id=Aws.ACCOUNT_ID,
        database_name=database,
        table_input=glue.CfnTable.TableInputProperty(
            name=table.name,
            description=table.comment or None,
            table_type="EXTERNAL_TABLE",
            parameters={"EXTERNAL": "TRUE", **table.properties},
            partition_keys=[_column(each) for each in table.partitions],
            storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                columns=[_column(each) for each in table.columns],
                location=table.location,
                serde_info=glue.CfnTable.SerdeInfoProperty(
                    serialization_library=SERDE, parameters={"serialization.format": "1"}
                ),
                **PARQUET,
            ),
        ),
    )


def _column(column: tables.Column) -> glue.CfnTable.ColumnProperty:
    return glue.CfnTable.ColumnProperty(name=column.name, type=column.type, comment=column.comment or None)
