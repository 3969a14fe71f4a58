import pytest
from openai import OpenAI

from rig import Providers, Proxy, temporary


@pytest.fixture(scope="session")
def running_providers(tmp_path_factory):
    running = Providers(tmp_path_factory.mktemp("providers"))
    yield running
    running.stop()


@pytest.fixture
def providers(running_providers):
    """Both simulated providers, well and without a script."""
    running_providers.reset()
    return running_providers


@pytest.fixture
def start(providers, tmp_path):
    """Starts proxies, with settings as keyword arguments."""
    started = []

    def start(**settings):
        # A directory of its own: neither a .env nor the books of another proxy are found there.
        proxy = Proxy(providers, temporary(tmp_path, f"proxy-{len(started)}"), **settings)
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.stop()


@pytest.fixture
def proxy(start):
    """A new proxy: what earlier tests taught theirs about its providers, it does not know."""
    return start()


@pytest.fixture
def client(proxy):
    with OpenAI(base_url=proxy.url, api_key="anything", max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture(params=["cerebras", "chutes"])
def provider(request, providers):
    """Each provider in turn is the one that answers."""
    if request.param == "chutes":
        providers.cerebras.fails("rate_limit_minute")
    return request.param
