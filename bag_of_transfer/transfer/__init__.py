"""Carry a backbone from pretraining to fine-tuning: backbone files, cards, strict loading."""
