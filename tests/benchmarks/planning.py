"""What a job costs before it is run: pairs of crystals, operations of the network.

    python tests/benchmarks/planning.py

Pairs are counted on a random sample, those of crystals whose primitive cell alone exceeds `max_atoms` included.
Multiply by crystals and epochs, then by the time of a pair that `tests/benchmarks/network.py` measures on your machine.
"""

import argparse

from crystals import samples

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.network import SiteNet


def operations(network):
    """Floating-point operations of the matrix products of one pair, forward."""
    total = 0
    for block in network.blocks:
        *_, interactions = block.input_widths
        total += 2 * interactions * sum(block.output_widths)
        total += 0 if block.interaction_input is None else 2 * block.interaction_input.linear[0].weight.numel()
        total += 2 * block.logit.weight.numel()
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-matbench", type=int, default=1000)
    parser.add_argument("--max-atoms", type=int, nargs="+", default=[50, 100, 200, 500])
    options = parser.parse_args()
    print(f"operations of a pair, forward: {operations(SiteNet())}")
    print(f"{'data set':<12}{'atoms':>6}{'pairs a crystal':>17}{'of oversized':>14}{'oversized':>11}")
    for name, structures in samples(options.n_matbench):
        for max_atoms in options.max_atoms:
            X = SupercellFeaturizer.from_preset("paper", max_atoms=max_atoms).transform(structures)
            pairs, big = X.pair_sizes, X.oversized
            share = pairs[big].sum() / pairs.sum()
            print(f"{name:<12}{max_atoms:>6}{pairs.mean():>17.0f}{share:>14.0%}{big.mean():>11.1%}")
