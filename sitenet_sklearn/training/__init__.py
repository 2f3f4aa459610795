"""Training: how a network learns.

`trainer` has the loop, on top of skorch; `losses` what it minimises; `callbacks` what happens beside it; `checkpoint`
what a killed training goes on from. `memory` cuts batches that do not fit, `data_parallel` shares them among
processes, `interrupts` notices Ctrl-C, `randomness` keeps threads apart, `devices` knows where to compute, and
`fine_tuning` begins from a network that was trained before.
"""

from .trainer import SiteNetTrainer

__all__ = [
    "SiteNetTrainer",
]
