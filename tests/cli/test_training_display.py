from pix2z.cli.training_display import epochs_progress


def show(n: int) -> None:
    with epochs_progress(5) as shown:
        for seed in (1, 2):
            on_epoch = shown(seed)
            for epoch in range(n):
                on_epoch(epoch, {"loss": 3.0 - epoch, "val_loss": 3.5 - epoch})


def test_a_pipe_gets_a_line_per_epoch(monkeypatch, capsys):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    show(2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[3] == "seed 2: loss 2.0000, validation 2.5000, epoch 2 of at most 5"


def test_a_terminal_gets_a_bar_per_seed(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show(3)
    printed = capsys.readouterr().err
    for seed in (1, 2):
        assert f"seed {seed}: loss 1.0000, validation 1.5000" in printed
