"""What crosses from pretraining to fine-tuning: backbone files, cards, strict loading."""
