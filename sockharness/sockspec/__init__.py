"""The file format of specs; pure."""
