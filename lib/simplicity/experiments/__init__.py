"""One module for each grid of cells; the contract is in `simplicity.run`. Import the modules by name."""
