"""Runs the study of a paper: `python tools/studies/run.py STUDY --help`."""

import sys

import kprune_command

STUDIES = {
    "asni": "ASNI's four variants, compared with the paper's figures",
    "benchmark": "what kprune costs, as ratios",
    "channels": "allocations of channels to layers",
    "compression": "networks within a budget, by three ways",
    "deployment": "pruned networks in every format, each file measured",
    "faults": "behaviour under crashes, hostile files and wrong arguments",
    "in_training": "methods that prune as a network trains, one by one",
    "language": "a language model pruned in one shot, by method and sparsity",
    "ossum": "OSSuM: networks that classify without a trained weight",
    "structure": "structure of pruned networks, layer by layer",
    "subnetworks": "networks of which only the masks are trained",
    "vision": "a vision transformer pruned in one shot, as `language`",
}

if __name__ == "__main__":
    _, *arguments = sys.argv
    if not arguments or arguments[0] not in STUDIES:
        lines = [f"  {name:12} {what}" for name, what in STUDIES.items()]
        sys.exit("\n".join([__doc__, "", *lines]))
    kprune_command.run(f"{arguments[0]}.run", arguments[1:])
