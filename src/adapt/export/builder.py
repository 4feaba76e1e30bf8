"""Runs onnxruntime-genai's model builder: `python -m adapt.export.builder ARGUMENTS`, the arguments being the builder's own.

A process of its own, because the builder prints, reads the environment for its network use, and puts modules with names such as `builders`
on the import path; and so that what it holds in memory goes when it ends. It ends with the stage that started it.
"""

import runpy

from adapt.artifact.process import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__", alter_sys=True)
