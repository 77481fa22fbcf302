"""`kprune sweep --executor=` and `kprune tune`: bad flags, and the plan."""

import missing_packages
import pytest

SWEEP = (
    "sweep --config=mnist_lenet:quick --methods=random --sparsities=0.5 "
    "--seeds=0,1"
)
TUNE = "tune --config=mnist_lenet:quick --config.dataset.validation=0.1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{SWEEP} --executor=slrum", "Did you mean 'slurm'"),
        (f"{SWEEP} --slurm_partition=gpu", "not of --executor=local"),
        (f"{SWEEP} --max_retries=2", "not of --executor=local"),
        (f"{SWEEP} --executor=ray --jobs=2", "not of --executor=ray"),
        (f"{SWEEP} --executor=slurm --ray_address=auto", "--ray_address"),
        (f"{SWEEP} --executor=slurm --gpus_per_run=0.5", "gpus_per_run"),
        (f"{SWEEP} --executor=slurm --slurm_minutes=1", "--slurm_minutes=1"),
        (f"{SWEEP} --executor=slurm --slurm_options=mem=4G", "memory_gb"),
        (f"{SWEEP} --gpus_per_run=1.5", "a whole number, or a share"),
        (f"{SWEEP} --gpus_per_run=999", "GPUs at 999 per run"),
        (TUNE, "one of --methods, --sparsities"),
        (f"{TUNE} --methods=snipp", "Did you mean 'snip'"),
        (f"{TUNE} --sparsities=0.9..0.5", "A below B"),
        (f"{TUNE} --learning_rates=fast", "Received: fast"),
        (f"{TUNE} --sparsities=0.5 --engine=rya", "engine"),
        (
            f"{TUNE} --sparsities=0.5 --engine=keras_tuner --reduction=2",
            "--reduction is for --engine=ray",
        ),
        (
            f"{TUNE} --sparsities=0.5 --config.dataset.validation=0",
            "choose by the test set",
        ),
    ],
)
def test_bad_input_is_answered_and_nothing_written(
    line, expected, refusal, tmp_path
):
    assert expected in refusal(line, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@missing_packages.needs("submitit")
def test_the_script_is_shown_and_nothing_written(command, capsys, tmp_path):
    flags = (
        "--executor=slurm --slurm_partition=gpu --slurm_minutes=30 --jobs=1 "
        "--slurm_options=account=lab,exclusive --gpus_per_run=2 --dry_run"
    )
    command(f"{SWEEP} {flags}", runs=tmp_path / "runs")
    out = capsys.readouterr().out
    assert "2 cells: 0 finished, 2 new.\n\n#!/bin/bash\n" in out
    for option in (
        "array=0-1%1",
        "partition=gpu",
        "account=lab",
        "exclusive\n",
        "gpus-per-node=2",
    ):
        assert f"#SBATCH --{option}" in out
    assert not (tmp_path / "runs").exists()
