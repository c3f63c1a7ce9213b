//! Says which `CPython` the crate is built for: the unsafe room differs by version in a few places.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
