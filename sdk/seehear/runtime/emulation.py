"""A board's limits, enforced on this computer."""

from __future__ import annotations

from collections.abc import Mapping

from seehear import boards
from seehear.boards import Board
from seehear.bundle import Bundle
from seehear.bundle.manifest import streaming_graphs
from seehear.errors import BoardError
from seehear.runtime.placement import npu_graphs
from seehear.runtime.tflite import Graph


def emulate(bundle: Bundle, board: Board, graphs: Mapping[str, str] | None = None) -> dict[str, str]:
    """Enforce a board's limits on what is placed on its NPU, as `Enhancer.load(emulate=True)` does.

    Parameters
    ----------
    bundle : the model.
    board : the board.
    graphs : graph or network -> "npu", an NPU family of the board, or "cpu"; by default the lip net on the
        NPU, all of it: where the device itself would quietly keep a graph on its processor, this raises.

    Returns
    -------
    dict
        Graph -> where it would run: the NPU family or the processor.

    Raises
    ------
    BoardError
        A graph does not fit; one sentence for each.
    """
    chosen = npu_graphs(bundle, board, graphs)
    for family in sorted(set(chosen.values())):
        try:
            boards.enforce(
                bundle.manifest, board, [name for name in chosen if chosen[name] == family], family
            )
        except BoardError as error:
            places = boards.check(bundle.manifest, board, family).placements
            misfits = {
                place.graph for place in places if not place.fits and chosen.get(place.graph) == family
            }
            others = {name: chosen[name] for name in chosen if name not in misfits}
            rest = f" With the others alone on the NPU: Placement(graphs={others})." if misfits else ""
            raise BoardError(f"{error}{rest}") from error
    problems = boards.check(bundle.manifest, board).problems
    if problems:
        raise BoardError(" ".join(problems))
    for name in chosen:  # the board was judged by the manifest: see that it tells the truth
        listed, there = bundle.manifest["graphs"][name]["operators"], Graph(bundle, name).operators
        if set(listed) != set(there):
            raise BoardError(
                f"Graph '{name}': the manifest lists {', '.join(listed)}, the graph has {', '.join(dict.fromkeys(there))}; "
                "write the bundle again with seehear-convert."
            )
    return {name: chosen.get(name, board.fallback.id) for name in streaming_graphs(bundle.manifest)}
