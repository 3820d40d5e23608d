"""From declared runs to their records.

    cohorts    which runs see the same batches, teachers first: `plan`
    engine     `train`: estimate, then group after group within a budget
    estimate   what a cohort will cost, measured on a few steps
    group      the part of a cohort that is trained at one time, and what is kept of it
    loop       the one training loop over a group's learners and their teachers
    learner    a learner: one run in training, its network, loss terms and optimiser
    network    a run's network, and what it says of images
    batches    the data set on the training device, and the batches of an epoch
    failures   what fails a run and not its company
    checkpoints  what is kept at epoch ends, so that a stop loses none
    process    torch's settings and SIGTERM, and back
    progress   where training stands, line by line
    weights    what torch keeps in a store
    records    from what a run has reached to its record

Nothing here imports torch until a name is first used.
"""

from kdlib import lazy

__getattr__, __dir__, __all__ = lazy.door(__name__, {"train": "engine", "plan": "cohorts"})
