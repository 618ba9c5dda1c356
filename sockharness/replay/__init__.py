"""The story: a spec becomes a run."""
