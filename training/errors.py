"""What can go wrong with the input of a training."""


class TrainingError(Exception):
    """Raise for input that no training can start from; the message is meant for the person who started it."""
