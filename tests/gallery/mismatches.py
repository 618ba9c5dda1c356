"""The report of a mismatch, as a text for a golden file."""

from sockharness.story.expectations import Mismatch


def described(mismatch: Mismatch | None) -> str:
    """Return all that is said of a mismatch, a line for each part."""
    if mismatch is None:
        return "no mismatch"
    lines = [mismatch.headline]
    lines += [f"  note: {mismatch.note}"] if mismatch.note != mismatch.headline else []
    lines += [f"  {detail}" for detail in mismatch.details]
    lines += [f"  waiting for {mismatch.waiting_for}"] if mismatch.waiting_for else []
    return "\n".join(lines)
