"""The network of Prefect's server, worker and flow runs: two zones, nothing may call in from outside."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deployments.cdk.context import Stage

API_PORT = 4200
DATABASE_PORT = 5432


class Network(Construct):
    """Tasks in private subnets behind a NAT gateway, or (`nat_gateways: 0`) in public ones with their own address.

    Both are closed to callers from outside. The database has subnets without any way out.
    """

    def __init__(self, scope: Construct, name: str, stage: Stage, flow_logs: s3.IBucket) -> None:
        super().__init__(scope, name)
        out = ec2.SubnetType.PRIVATE_WITH_EGRESS if stage.nat_gateways else ec2.SubnetType.PUBLIC
        self.public_ip = not stage.nat_gateways
        kinds = {"Public": ec2.SubnetType.PUBLIC, "Tasks": out, "Data": ec2.SubnetType.PRIVATE_ISOLATED}
        if self.public_ip:
            del kinds["Public"]
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=stage.nat_gateways,
            subnet_configuration=[
                # tasks ask for an address where they need one; nothing gets one unasked
                ec2.SubnetConfiguration(
                    name=name, subnet_type=kind, cidr_mask=24,
                    map_public_ip_on_launch=False if kind == ec2.SubnetType.PUBLIC else None,
                )
                for name, kind in kinds.items()
            ],
            gateway_endpoints={  # the lake is read without NAT, and without its price
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )  # fmt: skip
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_s3(flow_logs, "network/"),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.tasks = ec2.SubnetSelection(subnet_group_name="Tasks")
        self.data = ec2.SubnetSelection(subnet_group_name="Data")
        self.task_group = self._group("TaskGroup", "worker and flow runs: out only", out=True)

    def _group(self, name: str, told: str, *, out: bool) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=f"capforecast {told}", allow_all_outbound=out)

    def server_groups(self) -> tuple[ec2.SecurityGroup, ec2.SecurityGroup]:
        """Of the Prefect server, which tasks may call, and of its database, which only the server may."""
        server = self._group("ServerGroup", "Prefect server: called by worker and flow runs", out=True)
        database = self._group("DatabaseGroup", "Postgres: called by the Prefect server", out=False)
        server.add_ingress_rule(self.task_group, ec2.Port.tcp(API_PORT), "worker and flow runs")
        database.add_ingress_rule(server, ec2.Port.tcp(DATABASE_PORT), "Prefect server")
        return server, database
