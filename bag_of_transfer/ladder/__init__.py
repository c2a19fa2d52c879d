"""Rungs (backbones) x tasks x seeds: plan, run, compare.

A ladder answers which pretraining gives the better detector and segmenter: every rung is
fine-tuned with the same recipe, and rungs are compared seed by seed.
"""
