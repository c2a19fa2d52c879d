"""What a ladder is: rungs, tasks and seeds, checked; its cells; ladder.json."""
