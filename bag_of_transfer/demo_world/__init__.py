"""A small labelled world, drawn: three data sets of the same twelve object classes.

For seeing the chain work (pretrain, hand over, fine-tune), not for papers.
Everything is integer arithmetic, so every machine draws the same pixels.
"""
