"""A run as a whole: built, launched, watched, resumed, timed, evaluated."""
