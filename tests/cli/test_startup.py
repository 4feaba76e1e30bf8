import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "datasets", "onnx", "onnxruntime", "dvc", "vllm", "numpy", "pyarrow")


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["chat", "--help"], ["validate"], ["stage", "--help"], ["status", "--help"]])
def test_light_commands_load_no_heavy_library(arguments: list[str], tmp_path: object) -> None:
    program = (
        "import sys; from adapt.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: []\n"), done.stdout


@pytest.mark.parametrize(
    "room",
    [
        "adapter.ahead",
        "cli.cotrain",
        "spec.load",
        "plan.resolve",
        "plan.status",
        "plan.repro",
        "corpus.build",
        "dataset.build",
        "serving.render",
        "evaluate.judge",
    ],
)
def test_light_rooms_load_no_heavy_library(room: str) -> None:
    heavy = ("torch", "transformers", "peft", "datasets", "onnx", "onnxruntime", "dvc", "vllm")
    program = f"import sys, adapt.{room}; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
