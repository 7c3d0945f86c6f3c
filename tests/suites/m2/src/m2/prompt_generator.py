"""Write the next prompt from a template."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

#: The templates that every generator starts with.
DEFAULT_TEMPLATES: Mapping[str, str] = {
    "continue": "Please continue with {task}.",
    "answer": "You asked: {question}\n{answer}",
    "fix": "{count} tests fail in {path}. Fix them without changing what they assert.",
}

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")


class UnknownTemplate(KeyError):
    """No template has this name."""


class MissingVariable(ValueError):
    """A template names variables that were not given."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"missing: {', '.join(names)}")
        self.names = names


@dataclass(frozen=True)
class Prompt:
    """A rendered template; ``number`` counts the prompts of one generator."""

    number: int
    template: str
    text: str


class PromptGenerator:
    """Renders named templates; may be used from several threads.

    ``{name}`` stands for a variable, ``{{`` and ``}}`` for the braces
    themselves. What a variable contains is never expanded again.
    """

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        self._templates = {**DEFAULT_TEMPLATES, **(templates or {})}
        self._numbers = itertools.count(1)
        self._history: list[Prompt] = []
        self._lock = threading.Lock()

    def register(self, name: str, template: str) -> None:
        """Add a template, or replace the one of that name."""
        if not name.isidentifier():
            raise ValueError(f"not a template name: {name!r}")
        with self._lock:
            self._templates[name] = template

    @property
    def names(self) -> list[str]:
        """The names of the templates, sorted."""
        with self._lock:
            return sorted(self._templates)

    @property
    def history(self) -> list[Prompt]:
        """Every prompt generated so far, in the order of their numbers."""
        with self._lock:
            return list(self._history)

    def variables(self, name: str) -> list[str]:
        """The variables of a template, in order of first use."""
        found = (match.group(1) for match in _PLACEHOLDER.finditer(self._template(name)))
        return list(dict.fromkeys(variable for variable in found if variable))

    def generate(self, name: str, /, **values: object) -> Prompt:
        """Render the template ``name``; every variable of it must be given."""
        missing = [variable for variable in self.variables(name) if variable not in values]
        if missing:
            raise MissingVariable(missing)

        def expand(match: re.Match[str]) -> str:
            variable = match.group(1)
            return str(values[variable]) if variable else match.group()[0]

        text = _PLACEHOLDER.sub(expand, self._template(name))
        with self._lock:
            prompt = Prompt(next(self._numbers), name, text)
            self._history.append(prompt)
        return prompt

    def _template(self, name: str) -> str:
        with self._lock:
            try:
                return self._templates[name]
            except KeyError:
                raise UnknownTemplate(name) from None
