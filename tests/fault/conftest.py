import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=10.0, help="how long faults happen")
    parser.addoption(
        "--outage-seconds", type=float, default=60.0, help="how long storage is away; 600 is the long form"
    )


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    found: float = request.config.getoption("--minutes")
    return found


@pytest.fixture
def outage_seconds(request: pytest.FixtureRequest) -> float:
    found: float = request.config.getoption("--outage-seconds")
    return found
