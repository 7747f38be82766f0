"""One typed settings object, from environment variables and an optional `.env`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from statmuse_pipeline.domain import PipelineError, Season

SOURCES = ("auto", "archive", "nba_api", "demo")


class Settings(BaseSettings):
    """Everything that can be configured. Environment variables win over `.env`."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    """SQLAlchemy URL of the warehouse; `sqlite:///<data>/statmuse.db` when empty."""
    seasons: Annotated[tuple[str, ...], NoDecode] = Field(
        ("2021-22", "2022-23", "2023-24", "2024-25"), validation_alias="SEASONS"
    )
    dry_run: bool = Field(False, validation_alias="DRY_RUN")
    nba_fallback_limit: int = Field(25, ge=0, validation_alias="NBA_FALLBACK_LIMIT")
    """How many single-player requests may follow when a season request keeps failing."""
    present: datetime | None = Field(None, validation_alias="STATMUSE_NOW")
    """The moment to take for the present, such as `2024-01-15T10:00:00Z`, to play past nights again."""
    stats_nba_url: str | None = Field(None, validation_alias="STATMUSE_STATS_NBA_URL")
    """Such as `http://127.0.0.1:8000/stats/{endpoint}`, for a mirror; stats.nba.com when empty."""
    replay: bool = Field(False, validation_alias="STATMUSE_REPLAY")
    """Take stats.nba.com's answers from the raw store and make no request."""
    source: Literal["auto", "archive", "nba_api", "demo"] = Field("auto", validation_alias="STATMUSE_SOURCE")
    archive: Path | None = Field(None, validation_alias="STATMUSE_ARCHIVE")
    data: Path = Field(Path("data"), validation_alias="STATMUSE_DATA")
    models_store: Path | None = Field(None, validation_alias="STATMUSE_MODELS")
    """Where artefacts live; `<data>/../models_store` beside the default data folder when empty."""
    odds_api_key: SecretStr | None = Field(None, validation_alias="ODDS_API_KEY")
    odds_api_url: str = Field(
        "https://api.the-odds-api.com", pattern=r"^https?://[^\s/]+", validation_alias="ODDS_API_URL"
    )
    odds_api_regions: Annotated[tuple[str, ...], NoDecode] = Field(
        ("us",), min_length=1, validation_alias="ODDS_API_REGIONS"
    )
    odds_api_bookmakers: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias="ODDS_API_BOOKMAKERS")
    """Instead of the regions, where some are named."""
    odds_api_reserve: int = Field(20, ge=0, validation_alias="ODDS_API_RESERVE")
    """Credits that are never spent."""
    injury_report_url: str = Field(
        "https://ak-static.cms.nba.com/referee/injury",
        pattern=r"^https?://[^\s/]+",
        validation_alias="INJURY_REPORT_URL",
    )
    seed: int = Field(20211019, validation_alias="STATMUSE_SEED")
    workers: int = Field(2, ge=1, validation_alias="STATMUSE_WORKERS")
    """Processes that train players side by side."""
    demo_teams: int = Field(30, ge=4, le=30, validation_alias="STATMUSE_DEMO_TEAMS")
    demo_games: int = Field(82, ge=10, le=82, validation_alias="STATMUSE_DEMO_GAMES")
    """Size of the simulated league: teams, and games a team and season."""
    busy_seconds: float = Field(30.0, gt=0, validation_alias="STATMUSE_BUSY_SECONDS")
    """How long to wait for another writer of the warehouse."""
    tuning_trials: int = Field(12, ge=0, validation_alias="STATMUSE_TUNING_TRIALS")
    tuning_seconds: float = Field(300.0, gt=0, validation_alias="STATMUSE_TUNING_SECONDS")
    """Bounds on the Optuna study of each model family."""

    automation: bool = Field(False, validation_alias="STATMUSE_AUTOMATION")
    """Whether schedules and sensors run from the start of the daemon; else they are switched on in the UI."""
    webhook_url: str | None = Field(None, validation_alias="STATMUSE_WEBHOOK_URL")
    """Where failures are posted as JSON `{"text": ...}`, the form that Slack and others take."""
    smtp_url: str | None = Field(None, validation_alias="STATMUSE_SMTP_URL")
    """Mail server for the same, such as `smtp://user:password@mail.example.org:587`; `smtps://` for TLS at once."""
    mail_to: str | None = Field(None, validation_alias="STATMUSE_MAIL_TO")
    mail_from: str = Field("statmuse@localhost", validation_alias="STATMUSE_MAIL_FROM")

    @field_validator("seasons", "odds_api_regions", "odds_api_bookmakers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("seasons")
    @classmethod
    def _are_seasons(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one season, such as 2023-24")
        try:
            return tuple(sorted({Season.parse(label).label for label in value}))
        except PipelineError as error:
            raise ValueError(f"{error} Separate several with commas.") from error

    @field_validator("present")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("say the zone, such as 2024-01-15T10:00:00Z")
        return value and value.astimezone(UTC)

    def now(self) -> datetime:
        """The present moment in UTC, or the one to take for it."""
        return self.present or datetime.now(UTC)

    @property
    def warehouse_url(self) -> str:
        """The configured database, or SQLite under the data folder."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'statmuse.db'}"

    @property
    def models_path(self) -> Path:
        """The folder of the model registry's artefacts."""
        return self.models_store or self.data.absolute().parent / "models_store"


def load_settings(**overrides: object) -> Settings:
    """The settings of this process; `overrides` are keyed by environment variable name.

    Raises:
        PipelineError: naming every invalid variable and what it allows.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        told = "; ".join(f"{problem['loc'][0]} = {problem['input']!r}: {problem['msg']}" for problem in error.errors())
        raise PipelineError(f"Invalid settings. {told}.") from error
