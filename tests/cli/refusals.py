def refused(outcome, *words: str) -> None:
    """Hold what every refusal has: exit code 2, one line, the words, no traceback."""
    assert outcome.code == 2, outcome
    lines = [line for line in outcome.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in lines[0]
