"""Weights and checkpoints come back bit for bit, with their memory layout."""

import torch

from kdlib.training.weights import digest, epochs_done, load_checkpoint, save_checkpoint

KEY = "0123456789abcdef"


def weights():
    torch.manual_seed(0)
    return {"conv": torch.randn(8, 3, 3, 3).to(memory_format=torch.channels_last), "count": torch.tensor(3)}


def test_a_checkpoint_comes_back_as_it_was(store):
    save_checkpoint(store, KEY, {"epoch": 3, "weights": weights(), "best": None, "history": [{"lr": 0.1}]})
    state = load_checkpoint(store, KEY)
    assert (state["epoch"], state["best"], state["history"]) == (3, None, [{"lr": 0.1}])
    assert digest(state["weights"]) == digest(weights())
    assert state["weights"]["conv"].is_contiguous(memory_format=torch.channels_last)
    assert epochs_done(store, KEY) == 3


def test_a_digest_is_of_the_values_alone():
    one = weights()
    assert digest(one) == digest({name: value.contiguous().clone() for name, value in one.items()})
    assert digest(one) != digest({**one, "count": torch.tensor(4)})
    assert digest(one) != digest({"other": one["conv"], "count": one["count"]})


def test_a_look_at_what_another_process_writes_judges_nothing(store, capsys):
    assert epochs_done(store, KEY) == 0
    save_checkpoint(store, KEY, {"epoch": 3})
    path = store.path(KEY, "checkpoint.pt")
    path.write_bytes(path.read_bytes()[:100])
    assert epochs_done(store, KEY) == 0
    assert path.exists() and not capsys.readouterr().out
