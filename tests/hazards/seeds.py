"""Runs each test of the suite with the correct product, and with each broken one its module names in FAULTS.

A fault named `+x` is one that nothing caught before the fix; `hang:x` one that hangs without it. With --seeds=before both are left
out. Outcomes go to --outcomes as JSON: for each fault of each test whether it passed.
"""

import json

import product
import pytest


def pytest_addoption(parser):
    parser.addoption("--seeds", choices=["before", "after"], default="after")
    parser.addoption("--outcomes")


def pytest_generate_tests(metafunc):
    faults = [fault.lstrip("+") for fault in metafunc.module.FAULTS if metafunc.config.option.seeds == "after" or ":" not in fault]
    metafunc.parametrize("seeded_fault", ["none", *faults], indirect=True)


@pytest.fixture(autouse=True)
def seeded_fault(request):
    product.FAULT = request.param.removeprefix("hang:")
    yield
    product.FAULT = None


_outcomes = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    name = f"{item.module.__name__}::{item.originalname}"
    fault = item.callspec.params["seeded_fault"]
    # Other parameters of the test: it passes if all of its runs do.
    passed = _outcomes.setdefault(name, {}).get(fault, True)
    _outcomes[name][fault] = passed and report.passed


def pytest_sessionfinish(session):
    if session.config.option.outcomes:
        with open(session.config.option.outcomes, "w") as file:
            json.dump(_outcomes, file, indent=1, sort_keys=True)
