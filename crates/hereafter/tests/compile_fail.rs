//! What must not compile, because ownership or types forbid it.

#![cfg(not(miri))]

#[test]
fn what_ownership_and_types_forbid() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
