"""What training changes in its process, and gives back."""

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import tiny
import torch
from processes import Process
from tiny import train

from kdlib.training.process import FLAGS, torch_settings
from kdlib.training.weights import load_checkpoint


def test_sigterm_saves_says_so_and_ends_the_process(store, tmp_path):
    epochs = 1000
    process = Process(tmp_path / "log", epochs)
    process.go()
    study = tiny.study(epochs)
    deadline = time.monotonic() + 60
    while not store.has_checkpoint(study[0].key) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.popen.terminate()
    out, _ = process.popen.communicate(timeout=60)
    assert process.popen.returncode == -signal.SIGTERM  # 143 in a shell
    stopped = re.fullmatch(r"Stopped at epoch (\d+) of 1001: 0 of 6 finished, kept; .*", out.splitlines()[-1])
    assert {load_checkpoint(store, run.key)["epoch"] for run in study} == {int(stopped[1])}


def test_signals_are_given_back_and_other_threads_may_train(store):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ThreadPoolExecutor(1) as other:
            assert list(other.submit(train, [tiny.run(1)], store).result()["status"]) == ["finished"]
        train([tiny.run(1, seed=1)], store)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_torchs_settings_are_given_back(store):
    torch.set_num_threads(2)
    before = [getattr(place, name) for place, name, _ in FLAGS]
    train([tiny.run(1)], store, threads=1)
    assert torch.get_num_threads() == 2
    assert [getattr(place, name) for place, name, _ in FLAGS] == before
    with torch_settings():
        assert [getattr(place, name) for place, name, _ in FLAGS] == [False, False, True]
