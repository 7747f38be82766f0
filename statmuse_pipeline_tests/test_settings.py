import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.settings import load_settings

NAMES = (
    "DATABASE_URL",
    "SEASONS",
    "DRY_RUN",
    "NBA_FALLBACK_LIMIT",
    "STATMUSE_SOURCE",
    "STATMUSE_ARCHIVE",
    "STATMUSE_DATA",
    "ODDS_API_KEY",
    "ODDS_API_URL",
    "ODDS_API_REGIONS",
    "ODDS_API_BOOKMAKERS",
    "ODDS_API_RESERVE",
    "INJURY_REPORT_URL",
)


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_are_those_of_the_readme():
    settings = load_settings()
    assert settings.seasons == ("2021-22", "2022-23", "2023-24", "2024-25")
    assert settings.source == "auto"
    assert settings.dry_run is False
    assert settings.warehouse_url.startswith("sqlite:///")
    assert settings.warehouse_url.endswith("/data/statmuse.db")


def test_seasons_are_a_comma_list_sorted_and_without_repeats(monkeypatch):
    monkeypatch.setenv("SEASONS", " 2023-24, 2022-23,2023-24 ")
    assert load_settings().seasons == ("2022-23", "2023-24")


def test_a_dotenv_file_is_read_and_the_environment_wins(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("STATMUSE_SOURCE=demo\nSEASONS=2022-23\n")
    monkeypatch.setenv("SEASONS", "2023-24")
    settings = load_settings()
    assert (settings.source, settings.seasons) == ("demo", ("2023-24",))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SEASONS", "2023", "2023-24"),
        ("SEASONS", ",", "at least one season"),
        ("DRY_RUN", "perhaps", "boolean"),
        ("NBA_FALLBACK_LIMIT", "-1", "greater than or equal to 0"),
        ("ODDS_API_URL", "api.the-odds-api.com", "https?://"),
        ("ODDS_API_RESERVE", "-1", "greater than or equal to 0"),
        ("ODDS_API_REGIONS", " , ", "at least 1"),
        ("STATMUSE_SOURCE", "espn", "'auto', 'archive', 'nba_api' or 'demo'"),
    ],
)
def test_an_invalid_value_stops_with_the_variable_and_what_is_allowed(monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError) as told:
        load_settings()
    assert name in str(told.value)
    assert allowed in str(told.value)


def test_the_key_of_the_odds_api_is_never_shown(monkeypatch):
    monkeypatch.setenv("ODDS_API_KEY", "s3cr3t")
    monkeypatch.setenv("ODDS_API_BOOKMAKERS", "draftkings, fanduel")
    settings = load_settings()
    assert settings.odds_api_key is not None
    assert settings.odds_api_key.get_secret_value() == "s3cr3t"
    assert settings.odds_api_bookmakers == ("draftkings", "fanduel")
    assert "s3cr3t" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    monkeypatch.setenv("ODDS_API_RESERVE", "many")
    with pytest.raises(PipelineError) as told:
        load_settings()
    assert "s3cr3t" not in str(told.value)
