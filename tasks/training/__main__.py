"""``python -m tasks.training``: train, prune and save the shipped circuits."""

from tasks.training.train import main

if __name__ == "__main__":
    main()
