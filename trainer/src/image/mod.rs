//! Images to files: PNG grids and NumPy arrays.

pub mod grid;
