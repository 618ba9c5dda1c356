"""Golden files: the exact texts that users see, one file for each text.

A test that cares about a whole text gives it to the fixture `gallery`, which compares it with the
file in this folder that is named after the test. All other tests ask for the part that matters.

`make gallery` writes the files anew; the changes are read in `git diff`.
"""
