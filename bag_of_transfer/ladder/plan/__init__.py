"""Read and check a ladder config: its rungs, tasks and seeds; list its cells; write ladder.json."""
