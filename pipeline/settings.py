"""Every value an operator may set, grouped by stage; read from the environment and checked once at start.

`THREADLINE_<STAGE>_<NAME>` sets `settings.<stage>.<name>`. The one exception is the thread timeout, which keeps the
name that Opik's users know.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import InvalidSettings

TIMEOUT_VARIABLE: Final = "OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE"
TIMEOUT_MS_MAX: Final = 7 * 24 * 3600 * 1000
TIMEOUT_MS_UNSET: Final = 15 * 60 * 1000
"""The thread timeout where no setting record says one."""
_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d+)\s*(ms|s|m|h|d)")


def duration_ms(text: str) -> int:
    """Return a duration such as `15m`, `900s`, `1h` or `1500ms` in milliseconds.

    Raises ValueError for any other form, for zero and for more than 7 days (Opik's limit).
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration; write for example 15m, 900s, 1h or 1500ms")
    milliseconds = int(found[1]) * _UNITS_MS[found[2]]
    if not 0 < milliseconds <= TIMEOUT_MS_MAX:
        raise ValueError(f"{text!r} must be more than nothing and at most 7d")
    return milliseconds


def _from(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="ignore", populate_by_name=True)


class KafkaSettings(BaseSettings):
    """How to reach Kafka, and how topics are made."""

    model_config = _from("THREADLINE_KAFKA_")

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    sasl_password_file: Path | None = Field(None, description="Holds the password; it wins over the variable.")
    tls_ca_file: Path | None = Field(None, description="Authorities that brokers may be signed by; else the system's.")
    tls_certificate_file: Path | None = Field(None, description="Our own certificate, where brokers ask for one.")
    tls_key_file: Path | None = None
    partitions: int = Field(64, ge=1, le=4096, description="Partitions of every topic that does not declare its own.")
    replication_factor: int = Field(1, ge=1, le=9)
    retention_hours: int = Field(168, ge=1, description="How long events stay in Kafka.")
    request_timeout_ms: int = Field(30_000, ge=1000)
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "none",
        description="How producers pack batches. For prose zstd saves four fifths of network and disk, and costs the "
        "gateway an eighth more CPU; readers' bounds on fetches are of packed bytes.",
    )
    session_timeout_ms: int = Field(10_000, ge=1000, description="A silent member loses its partitions after this.")
    heartbeat_interval_ms: int = Field(3_000, ge=100)
    last_record_alone: bool = Field(
        default=False,
        description="Send the last record of a batch as a batch of its own; only the embedded broker needs this, "
        "since it reports the base offset of the last batch as the end of the log.",
    )

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def uses_sasl(self) -> bool:
        """Whether we say who we are, by a user name and a password."""
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}


class ClickHouseSettings(BaseSettings):
    """How to reach ClickHouse over HTTP."""

    model_config = _from("THREADLINE_CLICKHOUSE_")

    host: str = "127.0.0.1"
    port: int = Field(8123, ge=1, le=65535)
    database: str = "threadline"
    user: str = "default"
    password: SecretStr = SecretStr("")
    password_file: Path | None = Field(None, description="Holds the password; it wins over the variable.")
    tls: bool = Field(default=False, description="Speak HTTPS; the port is then 8443 as a rule.")
    tls_ca_file: Path | None = Field(None, description="Authorities that may sign the server; else the system's.")
    cluster: str = Field(
        "", pattern=r"^[\w.-]*$", description="The cluster that the tables are spread over; empty: one node."
    )
    connect_timeout_seconds: float = Field(5.0, gt=0)
    request_timeout_seconds: float = Field(60.0, gt=0)


class GatewaySettings(BaseSettings):
    """The HTTP side that takes events in."""

    model_config = _from("THREADLINE_GATEWAY_")

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    keys_file: Path | None = Field(
        None, description="The API keys, as `threadline keys` writes them; a change counts within seconds."
    )
    open_to_all: bool = Field(
        default=False, description="Without keys, let in everybody who reaches the port, from other machines too."
    )
    policy_file: Path | None = Field(
        None, description="Quotas and masking by workspace, in JSON; a change counts within seconds."
    )
    body_bytes_max: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body, decompressed.")
    body_idle_seconds_max: float = Field(30.0, gt=0, description="A body of which nothing comes for so long is a 408.")
    body_seconds_max: float = Field(300.0, gt=0, description="A body that takes longer altogether is a 408.")
    head_bytes_max: int = Field(65_536, ge=4096, description="Largest request line and headers; larger is a 431.")
    head_seconds_max: float = Field(20.0, gt=0, description="Longest wait for the headers, from the first byte on.")
    event_bytes_max: int = Field(48 * 1024 * 1024, ge=1024, description="Largest encoded event.")
    batch_items_max: int = Field(1000, ge=1, description="Most items in one request (Opik: 1000).")
    in_flight_bytes_max: int = Field(
        192 * 1024 * 1024,
        ge=1024,
        description="Bytes of bodies in hand, and of records that Kafka has not acked. Bodies are read while less than "
        "half is used, so half of what a workspace may hold should have room for the largest body.",
    )
    in_flight_records_max: int = Field(200_000, ge=1, description="Records that Kafka has not acked.")
    workspace_share_max: float = Field(
        1.0, gt=0, le=1, description="Share of the bytes and records in flight that one workspace may hold."
    )
    key_bytes_max: int = Field(4096, ge=64, description="Longest workspace, project name and thread id, each.")
    commands_in_flight_max: int = Field(10_000, ge=1000, description="Commands that wait for the stream's decision.")
    publish_timeout_seconds: float = Field(15.0, gt=0, description="Longest wait for Kafka's ack before a 429.")
    command_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for the stream's decision.")
    lookup_seconds_max: float = Field(
        1.0, ge=0, description="How long storage is asked again for what may not be stored yet, before a 404."
    )
    retry_after_seconds: int = Field(2, ge=1, description="When an overloaded gateway asks clients to come back.")
    processes: int = Field(
        1, ge=1, le=64, description="Processes behind the port, each with an operator's port of its own: +0, +1, ..."
    )
    share_port: bool = Field(default=False, description="Let other processes listen on the port, too (SO_REUSEPORT).")
    cors_origins: str = Field("", description="Origins whose pages may call the API, comma-separated; empty: none.")
    shutdown_seconds: float = Field(25.0, gt=0, description="How long requests in flight may take to finish.")
    live_listeners_max: int = Field(500, ge=1, description="Most pages that listen to what happens to threads.")
    live_queue_events_max: int = Field(
        256, ge=2, description="Events that wait for one page; one that does not keep up reads its list again."
    )
    live_beat_seconds: float = Field(15.0, gt=0, description="How often a silent stream shows that it is alive.")


class StreamSettings(BaseSettings):
    """The Faust worker that keeps the lives of threads."""

    model_config = _from("THREADLINE_STREAM_")

    thread_timeout: str = Field("15m", validation_alias=TIMEOUT_VARIABLE)
    tick_interval_ms: int = Field(500, ge=50, description="How often an owner of open threads writes the time.")
    flush_interval_ms: int = Field(200, ge=10, description="How often outputs go out; state goes with commits.")
    commit_interval_ms: int = Field(1000, ge=100)
    batch_records_max: int = Field(2000, ge=1)
    fetch_bytes_max: int = Field(64 * 1024 * 1024, ge=1024, description="Most bytes in one fetch from a broker.")
    read_ahead_bytes_max: int = Field(
        64 * 1024 * 1024, ge=1024, description="Most bytes of events read and not yet applied; a larger event is alone."
    )
    stall_seconds_max: float = Field(60.0, gt=0, description="Without progress for this long the worker exits.")
    transactions: bool = Field(
        default=True,
        description="Fence workers that were paused for longer than their session; the embedded broker cannot.",
    )
    instance_id: str | None = Field(None, description="Static member id; a restart keeps its partitions.")

    @field_validator("thread_timeout")
    @classmethod
    def _is_duration(cls, value: str) -> str:
        duration_ms(value)
        return value

    @property
    def thread_timeout_ms(self) -> int:
        """The silence after which a thread is closed, in milliseconds."""
        return duration_ms(self.thread_timeout)


class EvaluateSettings(BaseSettings):
    """The process that scores closed threads."""

    model_config = _from("THREADLINE_EVALUATE_")

    default_evaluators: str = Field(
        "", description="Evaluators for the threads of projects without a rule, by name, separated by commas."
    )
    sessions_in_flight_max: int = Field(
        5000, ge=1, description="Closed sessions in hand; above this nothing more is read."
    )
    snapshot_interval_ms: int = Field(1000, ge=10, description="How often it is looked how far storage must have come.")
    storage_poll_ms: int = Field(100, ge=10, description="How often it is looked how far storage has come.")
    transcripts_at_once_max: int = Field(100, ge=1, description="Transcripts read with one query.")
    reads_concurrency_max: int = Field(2, ge=1)
    transcript_bytes_max: int = Field(
        16 * 1024 * 1024, ge=1024, description="Threads with larger payloads go to the dead letters."
    )
    evaluator_seconds_max: float = Field(
        300.0, gt=0, description="Longest time of one evaluator that asks outside, for one thread; judges limit calls."
    )
    judge_url: str = Field("", description="Base of an OpenAI-compatible API, e.g. https://api.openai.com/v1.")
    judge_api_key: SecretStr = SecretStr("")
    judge_model: str = Field("", description="The model that judges, where a rule names none.")
    judge_timeout_seconds: float = Field(60.0, gt=0, description="Longest wait for one answer.")
    judge_attempts_max: int = Field(4, ge=1, description="How often a model is asked for one score.")
    judge_retry_seconds_max: float = Field(30.0, gt=0, description="Longest pause between two of these.")
    judge_concurrency_max: int = Field(16, ge=1, description="Questions on their way at once.")
    judge_tokens_per_hour: int | None = Field(None, ge=1, description="Budget of this process; none by default.")
    judge_cost_per_hour: float | None = Field(None, gt=0, description="Budget of this process, in money.")
    judge_input_price: float = Field(0.0, ge=0, description="Money for a million tokens of questions.")
    judge_output_price: float = Field(0.0, ge=0, description="Money for a million tokens of answers.")
    judge_transcript_characters_max: int = Field(
        60_000, ge=1000, description="Of a longer conversation the model is shown the beginning and the end."
    )
    judge_answer_tokens_max: int = Field(500, ge=50)
    judge_failures_max: int = Field(
        20, ge=1, description="After so many failures in a row the model is left alone for a while."
    )
    judge_rest_seconds: float = Field(30.0, gt=0, description="How long it is left alone; threads are set aside then.")
    retry_seconds_max: float = Field(15.0, gt=0, description="Longest pause while Kafka or storage are away.")
    newer_schema_retry_seconds: float = Field(15.0, gt=0)
    fetch_bytes_max: int = Field(16 * 1024 * 1024, ge=1024)
    fetch_records_max: int = Field(500, ge=1, description="Most records taken in hand at once.")
    stall_seconds_max: float = Field(120.0, gt=0)
    instance_id: str | None = None


class SinksSettings(BaseSettings):
    """The process that writes events into ClickHouse."""

    model_config = _from("THREADLINE_SINKS_")

    batch_rows_max: int = Field(50_000, ge=1)
    batch_bytes_max: int = Field(32 * 1024 * 1024, ge=1024)
    batch_age_ms_max: int = Field(
        1000,
        ge=10,
        description="Under load a batch is written this often; up to thrice as seldom where a write takes longer.",
    )
    idle_flush_ms: int = Field(
        100,
        ge=10,
        description="With nothing more to read a batch is written after this, or four times the length of a write.",
    )
    fold_rows_max: int = Field(
        100_000, ge=1, description="Rows of a table that are folded at once, where several batches wait for it."
    )
    thread_fold_interval_ms: int = Field(
        1000,
        ge=0,
        description="Threads are folded this often, or in twice what it takes, for all that was stored meanwhile;"
        " then it is committed.",
    )
    thread_fold_cores_max: int = Field(
        1, ge=0, description="Cores of ClickHouse that folding threads may use; 0: all. Several cost more CPU in all."
    )
    buffered_bytes_max: int = Field(
        192 * 1024 * 1024, ge=1024, description="Rows in hand, of all tables; above this nothing more is read."
    )
    fetch_bytes_max: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="Most bytes in one answer of Kafka, which has at most 1 MB of a partition.",
    )
    fetch_records_max: int = Field(5000, ge=1, description="Most records taken in hand at once.")
    newer_schema_retry_seconds: float = Field(
        15.0, gt=0, description="A partition with records of a version to come is looked at again after this."
    )
    retry_seconds_max: float = Field(5.0, gt=0, description="Longest pause between tries while storage is away.")
    dead_letter_share_max: float = Field(0.5, gt=0, le=1, description="Larger shares of a batch stop the sink.")
    dead_letter_rows_min: int = Field(100, ge=1, description="Below this many dead letters the share is not judged.")
    lag_interval_seconds: float = Field(5.0, gt=0, description="How often one sink asks how far each group is behind.")
    reconcile_interval_seconds: float = Field(60.0, gt=0, description="How often one sink counts what is stored.")
    retention_days: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description='Days that a workspace keeps what it has, as JSON: {"shop": 30, "*": 365}; else for ever.'
    )
    upkeep_interval_seconds: float = Field(
        3600.0, gt=0, description="How often one sink drops what is past its retention, or was erased and came back."
    )
    stall_seconds_max: float = Field(120.0, gt=0)
    instance_id: str | None = None


class QuerySettings(BaseSettings):
    """The HTTP side that reads."""

    model_config = _from("THREADLINE_QUERY_")

    clickhouse_user: str = Field(
        "",
        description="A user that may only read (deploy/clickhouse/query_user.sql); empty: THREADLINE_CLICKHOUSE_USER.",
    )
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_password_file: Path | None = Field(None, description="Holds the password; it wins over the variable.")
    seconds_max: float = Field(30.0, gt=0, description="Longest time a query may take in ClickHouse; then it is a 408.")
    memory_bytes_max: int = Field(
        2 * 1024 * 1024 * 1024, ge=1024 * 1024, description="Most memory of one query in ClickHouse; then it is a 413."
    )
    rows_read_max: int = Field(1_000_000_000, ge=1, description="Most rows that one query may read; then it is a 413.")
    concurrency_max: int = Field(16, ge=1, description="Queries of one process that run at once.")
    queue_seconds_max: float = Field(5.0, gt=0, description="Longest wait for a place among them before a 429.")
    page_rows_max: int = Field(2000, ge=1)
    export_patience_seconds: float = Field(
        300.0, ge=0, description="How long `threadline export` goes on trying while storage does not answer."
    )


class OperationSettings(BaseSettings):
    """What every process has: its operator's port and its log."""

    model_config = _from("THREADLINE_OPERATION_")

    host: str = "127.0.0.1"
    port: int = Field(9100, ge=0, le=65535, description="/metrics, /healthz and /readyz; 0 takes a free port.")
    log_level: str = Field("INFO", pattern="^(?i:debug|info|warning|error|critical)$")
    log_format: str = Field("json", pattern="^(json|console)$")
    drain_seconds: float = Field(25.0, gt=0, description="From SIGTERM to the end of work in hand.")


class Settings(BaseModel):
    """The whole tree; a stage receives only its branch."""

    model_config = ConfigDict(frozen=True)

    kafka: KafkaSettings
    clickhouse: ClickHouseSettings
    gateway: GatewaySettings
    stream: StreamSettings
    evaluate: EvaluateSettings
    sinks: SinksSettings
    query: QuerySettings
    operation: OperationSettings

    @model_validator(mode="after")
    def _relations(self) -> Self:
        if self.kafka.heartbeat_interval_ms * 3 > self.kafka.session_timeout_ms:
            raise ValueError(
                "THREADLINE_KAFKA_SESSION_TIMEOUT_MS must be at least 3 x THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS"
            )
        if self.kafka.uses_sasl and not self.kafka.sasl_username:
            raise ValueError("THREADLINE_KAFKA_SASL_USERNAME is required by THREADLINE_KAFKA_SECURITY_PROTOCOL")
        if self.gateway.event_bytes_max > self.gateway.body_bytes_max:
            raise ValueError("THREADLINE_GATEWAY_EVENT_BYTES_MAX must not exceed THREADLINE_GATEWAY_BODY_BYTES_MAX")
        return self


_BRANCHES: Final[dict[str, type[BaseSettings]]] = {
    "kafka": KafkaSettings,
    "clickhouse": ClickHouseSettings,
    "gateway": GatewaySettings,
    "stream": StreamSettings,
    "evaluate": EvaluateSettings,
    "sinks": SinksSettings,
    "query": QuerySettings,
    "operation": OperationSettings,
}


def load() -> Settings:
    """Read the environment.

    Raises InvalidSettings, with every fault in it, where a value or a relation cannot be.
    """
    branches: dict[str, BaseSettings] = {}
    faults: list[str] = []
    for name, branch in _BRANCHES.items():
        try:
            branches[name] = branch()
        except ValidationError as error:
            faults.extend(_faults(error, branch.model_config.get("env_prefix", "")))
    if faults:
        raise InvalidSettings("; ".join(faults))
    try:
        return Settings.model_validate(branches)
    except ValidationError as error:
        raise InvalidSettings("; ".join(_faults(error, ""))) from error


def _faults(error: ValidationError, prefix: str) -> Iterator[str]:
    """Yield each fault after the variable it is in; a relation names its variables itself."""
    for fault in error.errors(include_url=False, include_input=False):
        name = "_".join(map(str, fault["loc"]))
        reason = str(fault["msg"]).removeprefix("Value error, ")
        variable = name if name == TIMEOUT_VARIABLE else f"{prefix}{name}".upper()
        yield f"{variable}: {reason}" if name else reason
