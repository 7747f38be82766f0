"""Every modelling choice measured against what is released, on the validation split."""
