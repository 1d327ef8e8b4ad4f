import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=10.0, help="how long faults happen")


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    found: float = request.config.getoption("--minutes")
    return found
