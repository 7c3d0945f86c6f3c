"""The validator judges what came back."""

import pytest

from m2 import ResponseValidator

LONG = 100_000


@pytest.fixture
def validator():
    return ResponseValidator()


def test_ordinary_response(validator):
    result = validator.validate("All done.")
    assert result.ok
    assert (result.length, result.words) == (9, 2)


@pytest.mark.parametrize("response", ["", "   ", "\n\n"])
def test_empty_response(validator, response):
    assert validator.validate(response).codes == ["too-short"]


def test_too_long():
    assert ResponseValidator(max_length=10).validate("a" * 11).codes == ["too-long"]


def test_limits_must_make_sense():
    with pytest.raises(ValueError):
        ResponseValidator(min_length=10, max_length=5)


def test_every_issue_is_reported():
    validator = ResponseValidator(required=["DONE"], forbidden=[r"as an ai"])
    result = validator.validate("As an AI I cannot\n```\nprint()")
    assert ", ".join(result.codes) == "open-fence, missing-phrase, forbidden"


def test_closed_fence(validator):
    assert validator.validate("```python\nprint()\n```").ok


def test_control_characters(validator):
    assert validator.validate("red \x1b[31m").codes == ["control-character"]
    assert validator.clean(" red \x1b[31m ") == "red [31m"


@pytest.mark.parametrize("response, ok", [('{"a": [1, 2]}', True), ("{a: 1}", False)])
def test_json(response, ok):
    assert ResponseValidator(expect_json=True).validate(response).ok is ok


def test_very_long_response(validator):
    response = "a" * 100_000
    assert len(response) == 100_000
    result = validator.validate(response)
    assert result.ok
    assert result.length == 100_000


def test_many_words(validator):
    result = validator.validate("word " * 12_000)
    assert result.ok
    assert result.words == 12_000


def test_needle_in_a_long_response():
    validator = ResponseValidator(required=["needle"])
    hay = "x" * 60_000
    assert validator.validate(hay).codes == ["missing-phrase"]
    assert validator.validate(hay + "needle").ok


def test_clean_keeps_a_long_response(validator):
    text = "b" * LONG
    cleaned = validator.clean("\x00" + text + "\x00")
    assert len(cleaned) == LONG
    assert cleaned == text
