//! What the repository says of itself is true: its tables of tests, what it deploys, and that no seed of its fuzz targets
//! is a finding.

mod conformance;
mod deploy;
mod fuzz_seeds;
mod readme;
