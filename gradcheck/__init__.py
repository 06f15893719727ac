"""The gradient checker: what check_gradients.py runs. Start reading at own.py or, for submissions, at isolation.py."""
