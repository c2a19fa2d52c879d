"""What happens around each step: order, draws, update, log, losses that are lost, records."""
