"""The documents and the help say of the functions what their records do."""

import re
from pathlib import Path

from gpuae.config import Config
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.code_rules import CODE_RULES
from gpuae.functions.losses import LOSSES

ROOT = Path(__file__).parents[2]
MATHEMATICS = (ROOT / "docs" / "mathematics.md").read_text("utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")


def table(heading):
    """Return the rows of the table of docs/mathematics.md that begins with this line."""
    lines = MATHEMATICS.split("\n")
    first = lines.index(heading) + 2
    last = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    return lines[first:last]


def test_the_table_of_activations_is_that_of_the_records():
    assert table("| activation | f(z) | f′ by z and a = f(z) |") == [
        f"| `{own.name}` | {own.formula} | {own.derivative_formula} |"
        for own in ACTIVATIONS.values()
    ]


def test_the_table_of_losses_is_that_of_the_records():
    assert table("| loss | of one row |") == [
        f"| `{own.name}` | {own.formula} |" for own in LOSSES.values()
    ]


def test_the_table_of_settings_has_every_setting_once():
    cells = re.findall(r"^\| (`[^|]*) \|", SETTINGS, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(Config.model_fields)


def test_the_table_of_settings_names_all_functions():
    for setting, registry in (
        ("activation", ACTIVATIONS),
        ("loss", LOSSES),
        ("sparsity", CODE_RULES),
    ):
        (row,) = re.findall(rf"^\| `{setting}` \|([^|]*)\|", SETTINGS, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(registry)


def test_the_table_of_code_rules_is_that_of_the_records():
    rules = [rule for rule in CODE_RULES.values() if rule.constrains]
    rows = table("| sparsity | on the code | settings |")
    for rule, row in zip(rules, rows, strict=True):
        settings = ", ".join(f"`{name}`" for name in rule.settings)
        assert row.replace(r"\|", "|").startswith(f"| `{rule.name}` | {rule.sentence}")
        assert row.endswith(f" | {settings} |")


def test_the_help_says_what_each_loss_and_rule_is():
    for setting, registry in (("loss", LOSSES), ("sparsity", CODE_RULES)):
        description = Config.model_fields[setting].description
        named = [own for own in registry.values() if own.name != "none"]
        assert named
        assert all(f"{own.name}: {own.sentence}" in description for own in named)
