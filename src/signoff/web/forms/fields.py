"""The parts of a form, and the WTForms fields behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from markupsafe import Markup
from wtforms import Field
from wtforms.form import BaseForm

from signoff.web.form_data import FormData

OMIT: Final = object()
"""The value of a field that is left out."""

Take: TypeAlias = Callable[[], Any]


@dataclass(slots=True)
class Asked:
    """A part of a form: a field, a group of parts, or a choice between groups.

    `take` is what was typed into it, as JSON.
    """

    kind: str
    label: str
    take: Take
    at: str = ""
    hint: str = ""
    required: bool = False
    control: Field | None = None
    parts: list[Asked] = field(default_factory=list)
    branches: list[tuple[str, str, list[Asked]]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    id: str = ""

    def widget(self) -> Markup:
        """The field itself, with what is said of it to those who cannot see it."""
        assert self.control is not None
        described = [f"{self.id}-hint"] if self.hint else []
        described += [f"{self.id}-error"] if self.errors else []
        told: dict[str, Any] = {"aria-describedby": " ".join(described)} if described else {}
        if self.errors:
            told["aria-invalid"] = "true"
        return Markup(self.control(**self.attributes, **told))  # noqa: S704 - WTForms escapes  # nosec B704


class Fields:
    """All fields of a form, named by where what they ask for belongs."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.defaults: dict[str, Any] = {}
        self._unbound: list[tuple[str, Any]] = []
        self._form: BaseForm

    def __len__(self) -> int:
        return len(self._unbound)

    def add(self, asked: Asked, unbound: Any, default: Any) -> Asked:
        """Ask for this with a field of WTForms, which shows the default unless that is OMIT."""
        self._unbound.append((asked.at, unbound))
        if default is not OMIT:
            self.defaults[asked.at] = default
        self.asked.append(asked)
        return asked

    def bind(self, data: FormData | None, *, prefix: str) -> None:
        """Fill the fields with what was typed, or with their defaults."""
        self._form = BaseForm(self._unbound)
        self._form.process(data, data=self.defaults)
        for n, each in enumerate(self.asked):
            each.id = f"{prefix}-{n}"
            if each.at in self._form:
                each.control = self._form[each.at]
                each.control.id = each.id

    def typed(self, at: str) -> Any:
        """What was typed into a field, as WTForms has read it."""
        return self._form[at].data
