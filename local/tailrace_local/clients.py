"""The AWS SDK's clients for the emulated cloud.

Invariant: they speak to the emulator alone, with credentials that no real account would take.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from tailrace_local.arns import REGION

ACCESS_KEY = "test"
CONNECTIONS = 50
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 20.0  # so that a stop is never held up for long


@dataclass(frozen=True)
class Clients:
    """boto3 clients for an endpoint, each made on first use; safe to share between threads."""

    endpoint_url: str

    @property
    def credentials(self) -> Credentials:
        """What every client signs with."""
        return Credentials(ACCESS_KEY, ACCESS_KEY)

    @cached_property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self._session.client("dynamodb", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def kinesis(self) -> Any:
        """Kinesis Data Streams."""
        return self._session.client("kinesis", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def functions(self) -> Any:
        """Lambda, as far as the emulator's own services invoke functions."""
        return self._session.client("lambda", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def state_machines(self) -> Any:
        """Step Functions."""
        return self._session.client("stepfunctions", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def s3(self) -> Any:
        """S3, by paths instead of host names."""
        config = self._config.merge(Config(s3={"addressing_style": "path"}))
        return self._session.client("s3", endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def _session(self) -> Any:
        return boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=REGION)

    @cached_property
    def _config(self) -> Any:
        return Config(
            proxies={},  # a proxy of the environment cannot reach loopback
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
