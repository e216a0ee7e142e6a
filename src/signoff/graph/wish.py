"""What somebody asked a run to stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from signoff.domain.run import Run

StreamMode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "tasks", "debug", "checkpoints"
]

STREAM_MODES: tuple[str, ...] = get_args(StreamMode)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked a run to stream; without modes nothing is written at all."""

    modes: tuple[str, ...] = ()
    subgraphs: bool = False

    @classmethod
    def of(cls, run: Run) -> Wish:
        """What is asked of a run by its options."""
        asked = run.options.get("stream_mode") or ()
        modes = (asked,) if isinstance(asked, str) else tuple(asked)
        return cls(
            tuple(mode for mode in modes if mode in STREAM_MODES),
            bool(run.options.get("stream_subgraphs")),
        )

    @property
    def engine_modes(self) -> list[str]:
        """What LangGraph is to be asked for: besides, how a run ends and what it pauses with."""
        modes = {"messages" if mode == "messages-tuple" else mode for mode in self.modes}
        if "values" not in modes:
            modes |= {"values", "updates"}
        return sorted(modes)
