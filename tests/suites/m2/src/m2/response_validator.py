"""Judge what a session answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

_FENCE = re.compile(r"^```", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with a response."""

    code: str
    message: str


@dataclass(frozen=True)
class ValidationResult:
    """What a validator found, and the measurements it made on the way."""

    issues: tuple[Issue, ...]
    length: int
    words: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.issues

    @property
    def codes(self) -> list[str]:
        """The codes of the issues, in the order of the checks."""
        return [issue.code for issue in self.issues]


class ResponseValidator:
    """Checks responses against limits and rules; keeps no state between them."""

    def __init__(
        self,
        min_length: int = 1,
        max_length: int = 1_000_000,
        required: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        expect_json: bool = False,
    ) -> None:
        if not 0 <= min_length <= max_length:
            raise ValueError("limits must be 0 <= min_length <= max_length")
        self.min_length = min_length
        self.max_length = max_length
        self._required = tuple(required)
        self._forbidden = tuple(re.compile(pattern, re.IGNORECASE) for pattern in forbidden)
        self._expect_json = expect_json

    def validate(self, response: str) -> ValidationResult:
        """Check one response."""
        checks = (
            self._check_length(response),
            self._check_control_characters(response),
            self._check_fences(response),
            *(self._check_required(response, phrase) for phrase in self._required),
            *(self._check_forbidden(response, pattern) for pattern in self._forbidden),
            self._check_json(response) if self._expect_json else None,
        )
        issues = tuple(issue for issue in checks if issue is not None)
        return ValidationResult(issues, len(response), len(response.split()))

    def clean(self, response: str) -> str:
        """The response without control characters and outer white space."""
        return _CONTROL.sub("", response).strip()

    def _check_length(self, response: str) -> Issue | None:
        length = len(response.strip())
        if length < self.min_length:
            return Issue("too-short", f"{length} characters, at least {self.min_length} expected")
        if length > self.max_length:
            return Issue("too-long", f"{length} characters, at most {self.max_length} allowed")
        return None

    def _check_control_characters(self, response: str) -> Issue | None:
        match = _CONTROL.search(response)
        return Issue("control-character", f"{match.group()!r} at {match.start()}") if match else None

    def _check_fences(self, response: str) -> Issue | None:
        fences = len(_FENCE.findall(response))
        return Issue("open-fence", "a code block is not closed") if fences % 2 else None

    def _check_required(self, response: str, phrase: str) -> Issue | None:
        return None if phrase in response else Issue("missing-phrase", f"{phrase!r} is missing")

    def _check_forbidden(self, response: str, pattern: re.Pattern[str]) -> Issue | None:
        match = pattern.search(response)
        return Issue("forbidden", f"{match.group()!r} at {match.start()}") if match else None

    def _check_json(self, response: str) -> Issue | None:
        try:
            json.loads(response)
        except ValueError as error:
            return Issue("not-json", str(error))
        return None
