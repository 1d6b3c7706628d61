"""Measures gpuae as it comes, without a setting, on the panel's data beside PCA and its peers.

    python -m bench.panel [--sets NAME,NAME] [--seeds N] [--no-peers | --peers-from FILE] [--save]
    python -m bench.panel --markdown FILE

Of every set a fifth of the rows is held out, drawn by the seed, and the explained variance of those
is told; for sets with labelled outliers also the area under the ROC curve, trained on all rows and
on half of the normal ones. --peers-from takes the figures of PyOD and MLPRegressor, which need most
of the time, from a kept result, for sets whose rows are still the same; --markdown prints one.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from bench.panel_data import SETS, MissingDataError, PanelSet
from bench.panel_measure import fingerprint, measured, warm_up, with_peers_of
from bench.panel_report import Result, Results, lines, markdown
from bench.run import ROOT, machine, state, versions


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=_names, default=list(SETS), help="by commas [all]")
    parser.add_argument("--seeds", type=int, default=3, help="how many [3]")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    peers = parser.add_mutually_exclusive_group()
    peers.add_argument("--no-peers", action="store_true", help="without PyOD and MLPRegressor")
    peers.add_argument("--peers-from", type=kept, default={}, help="a result with their figures")
    parser.add_argument("--markdown", type=kept, help="print a kept result as tables, and end")
    asked = parser.parse_args()
    if asked.seeds < 1:
        parser.error("--seeds must be at least 1")
    return asked


def _names(listed: str) -> list[str]:
    names = listed.split(",")
    unknown = [name for name in names if name not in SETS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"there is no set {', '.join(unknown)}; there are {', '.join(SETS)}"
        )
    return names


def kept(path: str) -> Results:
    """Return the sets of a result that --save has written."""
    try:
        sets: Results = json.loads(Path(path).read_text(encoding="utf-8"))["sets"]
    except (OSError, ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(f"{path} is no result of the panel: {error}") from None
    return sets


def one_set(data: PanelSet, asked: argparse.Namespace) -> Result:
    """Measure a set, with the peers' figures of an earlier result where they are of its rows."""
    earlier: Result = asked.peers_from.get(data.name, {})
    if earlier.get("sha256") == fingerprint(data) and earlier["seeds"] >= asked.seeds:
        return with_peers_of(measured(data, asked.seeds, with_peers=False), earlier)
    return measured(data, asked.seeds, with_peers=not asked.no_peers)


def save(results: Results, sources: str) -> None:
    """Write the figures with machine, versions and the state of the sources they are of."""
    now = datetime.now(UTC)
    made = {"date": f"{now:%Y-%m-%d %H:%M} UTC", "sources": sources, "versions": versions()}
    path = ROOT / "bench" / "results" / f"panel-{now:%Y-%m-%d-%H%M}.json"
    content = json.dumps({**made, "machine": machine(), "sets": results}, indent=1)
    path.write_text(content + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")


def main() -> None:
    """Measure, print, keep."""
    asked = arguments()
    if asked.markdown:
        print("\n".join(markdown(asked.markdown)))
        return
    sources = state()  # now: they may change while it measures
    print(", ".join(f"{package} {number}" for package, number in versions().items()))
    warm_up(with_peers=not asked.no_peers)
    results: Results = {}
    for name in asked.sets:
        try:
            data = SETS[name]()
        except MissingDataError as missing:
            print(f"{name}: left out, {missing}", flush=True)
            continue
        results[name] = one_set(data, asked)
        print("\n".join(lines(name, results[name])), flush=True)
    print("\n".join(["", *markdown(results)]))
    if asked.save:
        save(results, sources)


if __name__ == "__main__":
    main()
