import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=1, help="what the faults are drawn from")
    parser.addoption("--minutes", type=float, default=10.0, help="how long faults happen")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    found: int = request.config.getoption("--seed")
    return found


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    found: float = request.config.getoption("--minutes")
    return found
