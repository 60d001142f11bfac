"""The properties of `AWS::Serverless::Function`, checked, and what a laptop needs of them.

Invariant: a property that SAM does not know is refused by name; a folder or a handler that is not there, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tailrace_local.arns import function_arn
from tailrace_local.properties import Properties

# Every property of the SAM resource; those that READ does not list have no effect on a laptop.
KNOWN = frozenset(
    {
        *("Architectures", "AssumeRolePolicyDocument", "AutoPublishAlias", "AutoPublishAliasAllProperties"),
        *("AutoPublishCodeSha256", "CapacityProviderConfig", "CodeSigningConfigArn", "CodeUri", "DeadLetterQueue"),
        *("DeploymentPreference", "Description", "DurableConfig", "Environment", "EphemeralStorage"),
        *("EventInvokeConfig", "Events", "FileSystemConfigs", "FunctionName", "FunctionScalingConfig"),
        *("FunctionUrlConfig", "Handler", "ImageConfig", "ImageUri", "InlineCode", "KmsKeyArn", "Layers"),
        *("LoggingConfig", "MemorySize", "PackageType", "PermissionsBoundary", "Policies", "PropagateTags"),
        *("ProvisionedConcurrencyConfig", "PublishToLatestPublished", "RecursiveLoop", "ReservedConcurrentExecutions"),
        *("Role", "RolePath", "Runtime", "RuntimeManagementConfig", "SnapStart", "SourceKMSKeyArn", "Tags"),
        *("TenancyConfig", "Timeout", "Tracing", "VersionDeletionPolicy", "VersionDescription", "VpcConfig"),
    }
)
RESERVED = "ReservedConcurrentExecutions"
READ = ("CodeUri", "Environment", "Handler", "Layers", "LoggingConfig", "MemorySize", RESERVED, "Runtime", "Timeout")
LOGGING_CONFIG = frozenset({"ApplicationLogLevel", "LogFormat", "LogGroup", "SystemLogLevel"})


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its folder of code, `module.name` of its handler, seconds, MB, variables, folders of its layers."""

    logical_id: str
    name: str
    code: Path
    handler: str
    runtime: str
    timeout_seconds: int = 3
    memory_mb: int = 128
    variables: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Path, ...] = ()
    log_format: str = "Text"
    log_level: str = ""
    reserved_concurrency: int | None = None

    @property
    def arn(self) -> str:
        """Its ARN on the laptop."""
        return function_arn(self.name)


def read_function(
    logical_id: str, name: str, properties: Properties, base: Path, layers: Mapping[str, Path]
) -> Function:
    """The function that resolved properties declare; its folder is relative to `base`, `layers` are known by id.

    Raises what `properties.refuse` makes.
    """
    code = read_folder(properties, "CodeUri", base)
    logging = properties.within("LoggingConfig")
    logging.refuse_unknown(LOGGING_CONFIG)
    reserved = properties.integer(RESERVED, 0, 0, 1_000_000) if RESERVED in properties.values else None
    return Function(
        logical_id=logical_id,
        name=name,
        code=code,
        handler=_read_handler(properties, code),
        runtime=properties.text("Runtime"),
        timeout_seconds=properties.integer("Timeout", 3, 1, 900),
        memory_mb=properties.integer("MemorySize", 128, 128, 10_240),
        variables=_read_variables(properties.within("Environment")),
        log_format=logging.text("LogFormat", "Text"),
        log_level=logging.text("ApplicationLogLevel", ""),
        layers=tuple(layers[layer] for layer in properties.values.get("Layers") or [] if layer in layers),
        reserved_concurrency=reserved,
    )


def read_folder(properties: Properties, name: str, base: Path) -> Path:
    """The existing folder that a property names."""
    uri = properties.text(name)
    folder = (base / uri).resolve()
    if not folder.is_dir():
        raise properties.refuse(name, f"there is no folder {uri}")
    return folder


def _read_handler(properties: Properties, code: Path) -> str:
    handler = properties.text("Handler")
    module, dot, function = handler.rpartition(".")
    file = module.replace(".", "/") + ".py"
    if not dot or not function.isidentifier():
        raise properties.refuse("Handler", f"{handler!r} is not module.function")
    if not (code / file).is_file():
        raise properties.refuse("Handler", f"there is no file {file} in {code.name}")
    return handler


def _read_variables(environment: Properties) -> Mapping[str, str]:
    environment.refuse_unknown(frozenset({"Variables"}))
    variables = environment.within("Variables")
    for name, value in variables.values.items():
        if not isinstance(value, str | int | float):
            raise variables.refuse(name, "a variable is a text")
    return {name: _as_variable(value) for name, value in variables.values.items()}


def _as_variable(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
