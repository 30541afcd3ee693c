//! cargo xtask check

fn main() {}
