"""What this pharmacy knows of drugs: an illustration, and no source to treat anybody by."""

from dataclasses import dataclass
from typing import Literal, TypedDict


class Flag(TypedDict):
    """A reason to look twice."""

    risk: Literal["dose", "allergy", "interaction", "kidney", "unknown"]
    severity: Literal["warning", "critical"]
    text: str


@dataclass(frozen=True)
class Drug:
    """A drug; the limit is for adults with healthy kidneys."""

    max_mg_per_day: int
    groups: frozenset[str] = frozenset()
    clashes_with: frozenset[str] = frozenset()
    min_egfr: int = 0


DRUGS = {
    "ibuprofen": Drug(
        max_mg_per_day=2400,
        groups=frozenset({"nsaid"}),
        clashes_with=frozenset({"warfarin", "lithium", "methotrexate"}),
        min_egfr=30,
    ),
    "paracetamol": Drug(max_mg_per_day=4000),
    "amoxicillin": Drug(max_mg_per_day=3000, groups=frozenset({"penicillin"})),
    "metformin": Drug(max_mg_per_day=3000, min_egfr=30),
    "warfarin": Drug(max_mg_per_day=15, clashes_with=frozenset({"ibuprofen", "fluconazole"})),
    "sertraline": Drug(max_mg_per_day=200, clashes_with=frozenset({"tramadol", "linezolid"})),
}


def flags_of(
    drug: str,
    mg_per_day: int,
    *,
    takes: list[str],
    allergies: list[str],
    egfr: int,
) -> list[Flag]:
    """All that speaks against an order, the same for the same order."""
    known = DRUGS.get(drug)
    if known is None:
        return [Flag(risk="unknown", severity="critical", text=f"{drug} is not in the formulary")]
    flags: list[Flag] = []
    if mg_per_day > known.max_mg_per_day:
        said = f"{mg_per_day} mg a day; at most {known.max_mg_per_day} mg"
        flags.append(Flag(risk="dose", severity="critical", text=said))
    for allergy in sorted({drug, *known.groups} & set(allergies)):
        said = f"the patient is allergic to {allergy}"
        flags.append(Flag(risk="allergy", severity="critical", text=said))
    for other in sorted(known.clashes_with & set(takes)):
        said = f"the patient takes {other}"
        flags.append(Flag(risk="interaction", severity="critical", text=said))
    if egfr < known.min_egfr:
        said = f"eGFR {egfr}; not below {known.min_egfr}"
        flags.append(Flag(risk="kidney", severity="critical", text=said))
    elif egfr < 60:
        said = f"eGFR {egfr}: consider a lower dose"
        flags.append(Flag(risk="kidney", severity="warning", text=said))
    return flags
