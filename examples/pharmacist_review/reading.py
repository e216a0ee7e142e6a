"""Reading a prescription: by a pattern, or by the model that `SIGNOFF_EXAMPLE_MODEL` names."""

import os
import re
from typing import Any

from pydantic import BaseModel, Field

PATTERN = re.compile(
    r"(?P<drug>[a-z]+)\s+(?P<dose_mg>\d+)\s*mg,?\s+every\s+(?P<every_hours>\d+)\s*h", re.IGNORECASE
)


class Prescription(BaseModel):
    """The fields of a prescription."""

    drug: str = Field(description="The generic name, in lower case")
    dose_mg: int = Field(gt=0)
    every_hours: int = Field(gt=0, le=24)


def read_prescription(text: str) -> dict[str, Any]:
    """The fields of a text such as ``Ibuprofen 600 mg every 8 h``.

    Raises:
        ValueError: They are not in it.
    """
    if name := os.environ.get("SIGNOFF_EXAMPLE_MODEL"):
        from langchain.chat_models import init_chat_model  # optional: pip install langchain

        model = init_chat_model(name).with_structured_output(Prescription)
        return Prescription.model_validate(model.invoke(f"Read: {text}")).model_dump()
    found = PATTERN.search(text)
    if found is None:
        raise ValueError(f"no prescription can be read in {text!r}")
    return Prescription(**{**found.groupdict(), "drug": found["drug"].lower()}).model_dump()
