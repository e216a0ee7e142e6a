"""The form of an action: what was typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from signoff.domain.errors import FieldError
from signoff.web.form_data import FormData
from signoff.web.forms import controls
from signoff.web.forms.asking import Asking
from signoff.web.forms.fields import OMIT, Asked, Fields
from signoff.web.forms.typed import pretty


class ActionForm:
    """What an action asks for, as a form: empty, or with what was typed."""

    def __init__(
        self,
        action: Mapping[str, Any],
        *,
        prefix: str,
        data: FormData | None = None,
        as_json: bool = False,
    ) -> None:
        self.action = action
        self.as_json = as_json
        self.errors: list[str] = []
        self._prefix = prefix
        self._fields = Fields()
        self._values: Asked | None = None
        if (schema := action["schema"]) is not None:
            if as_json:
                default = schema.get("default", OMIT)
                self._values = controls.as_json(self._fields, "Values", "/values", default, {})
                self._fields.defaults["/values"] = pretty(self.example())
            else:
                asking = Asking(self._fields, schema)
                self._values = asking.ask("", "/values", schema, required=True)
        self._fields.bind(data, prefix=prefix)

    @property
    def parts(self) -> list[Asked]:
        """What is asked, in order."""
        if self._values is None:
            return []
        return [self._values] if self._values.kind != "group" else self._values.parts

    @property
    def has_values(self) -> bool:
        """Whether it asks for more than a note."""
        return self._values is not None

    @property
    def begins_filled(self) -> bool:
        """Whether there is something in it that one may change."""
        return any(value not in ("", False, [], "{}") for value in self._fields.defaults.values())

    def values(self) -> dict[str, Any]:
        """What was typed, as the values of a decision.

        Raises:
            Unreadable: A field for JSON has none.
        """
        taken: Any = OMIT if self._values is None else self._values.take()
        return {} if taken is OMIT else taken

    def example(self) -> Any:
        """The values as the form shows them at first."""
        return ActionForm(self.action, prefix=self._prefix).values()

    def say(self, errors: Iterable[FieldError]) -> list[FieldError]:
        """Put errors to the fields that they are about; those that are about none."""
        rest = []
        for error in errors:
            owners = [each for each in self._fields.asked if _within(error.pointer, each.at)]
            if owners:
                owner = max(owners, key=lambda each: len(each.at))
                beyond = error.pointer.removeprefix(owner.at).lstrip("/").replace("/", ".")
                owner.errors.append(f"{beyond} {error.message}" if beyond else error.message)
            else:
                rest.append(error)
        return rest


def _within(place: str, at: str) -> bool:
    """Whether what is wrong at a place is about the field at `at`, in whichever branch."""
    at = "/".join(step.partition("#")[0] for step in at.split("/"))
    return place == at or place.startswith(f"{at}/")
