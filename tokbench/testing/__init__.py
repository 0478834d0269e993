"""The conformance kit: what every component has to do, ours and yours alike.

In a test of your package:

    from tokbench.testing import assert_conforms
    from my_tok import MyTok

    def test_the_kit():
        assert_conforms(MyTok)

`check` returns the findings as values, `examine` the verdict on each rule as it is reached, which
is what `tokbench check NAME` prints. Smaller options make a slow component quick to check:
`assert_conforms(MyTok, epochs=3)`. The rules of a kind are the functions of the module named after
it, and their docstrings say what is asked.
"""

from __future__ import annotations

from tokbench.testing.kit import Finding, Verdict, assert_conforms, check, examine, rules_of

__all__ = ["Finding", "Verdict", "assert_conforms", "check", "examine", "rules_of"]
