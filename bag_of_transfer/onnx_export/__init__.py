"""Write a trained network as an ONNX file, and check it under onnxruntime.

The file holds all that a task's network does between an image's bytes and its answer, with the
normalisation.  ``docs/export.md`` says what goes in and what comes out.
"""
