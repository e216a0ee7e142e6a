"""A loop in the terminal: yes publishes, no discards, anything else is feedback.

    python main.py "the sea"

Signoff is in this process, with its embedded database in `.signoff/`. Ctrl-C or Ctrl-D at any time:
the same command goes on where it was.
"""

import asyncio
import re
import sys
from pathlib import Path

from graph import builder

from signoff import Signoff, errors

ME = "author@firm.com"


async def main(topic: str) -> None:
    """Write about a topic until the author is done with it."""
    thread_id = "post-" + re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-")[:60]
    config = Path(__file__).with_name("signoff.toml")
    async with Signoff(graphs={"feedback_loop": builder}, config=config) as desk:
        try:
            await desk.thread(thread_id)
        except errors.ThreadNotFound:
            await desk.start("feedback_loop", {"topic": topic}, by=ME, thread_id=thread_id)
        while True:
            thread = await desk.wait(thread_id)
            if thread.error is not None:
                raise SystemExit(f"It failed: {thread.error}")
            waiting = (await desk.requests(thread_id=thread_id, state="open")).items
            if not waiting:
                print(f"It is {thread.values['status']}.")
                return
            [request] = waiting
            print(f"\n{request.payload['show']['post']}\n")
            said = await asyncio.to_thread(read, "Publish it? yes, no, or your feedback: ")
            action, note = (
                (said.lower(), None) if said.lower() in ("yes", "no") else ("feedback", said)
            )
            await desk.decide(request.id, action, by=ME, note=note, digest=request.digest)


def read(prompt: str) -> str:
    """A line that says something; the end of the input ends the program."""
    while True:
        try:
            if said := input(prompt).strip():
                return said
        except EOFError:
            raise SystemExit("\nIt waits; the same command goes on here.") from None


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or "the sea"))
    except KeyboardInterrupt:
        print("\nIt waits; the same command goes on here.")
