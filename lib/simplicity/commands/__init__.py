"""What each command of `simplicity` does; `simplicity.cli` parses the words and ends every problem in one line."""
